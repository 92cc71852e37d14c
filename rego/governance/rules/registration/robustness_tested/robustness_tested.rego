# METADATA
# title: Robustness is tested
# description: >-
#   Every version was tested for robustness, against attacks and for what it gives away of its training data: as many
#   tests of each kind as its risk tier asks for were passed, and none was failed, not too long ago.
# related_resources:
#   - ref: https://eur-lex.europa.eu/eli/reg/2024/1689/oj
#     description: Regulation (EU) 2024/1689 (AI Act), Art. 15(4) and 15(5)
#   - ref: https://owasp.org/www-project-machine-learning-security-top-10/
#     description: OWASP Machine Learning Security Top 10 (draft 2023), ML01 and ML04
#   - ref: https://www.nist.gov/itl/ai-risk-management-framework
#     description: NIST AI RMF 1.0, MEASURE 2.7 and 2.10
# custom:
#   severity: high
#   applies_to: [{stage: registration, kind: model_version, operations: [promote]}]
#   for_each: models/*
#   item_id: [id]
#   evidence:
#     - at: tests
#       about: item
#       fields: {robustness: number, adversarial: number, privacy: number, failed: strings}
#       max_age: P180D
#   approvable: false
#   waivable: {max_days: 30}
#   controls: [G-REG-07]
#   clauses: ["eu-ai-act/15.4", "eu-ai-act/15.5", "owasp-ml/ML01", "owasp-ml/ML04", "nist-ai-rmf/MEASURE2.7", "nist-ai-rmf/MEASURE2.10"]
#   message: "model {id} is not tested enough; passed: robustness {tests.robustness}, adversarial {tests.adversarial}, privacy {tests.privacy}; failed: {tests.failed}"
#   remediation: "Let somebody else than the author run the missing kinds of tests, and mend what fails"
#   owner: model-risk
package governance.rules.registration.robustness_tested

import data.governance.config
import data.governance.lib.compare

compliant contains ["models", i] if {
	some i, model in input.facts.models
	compare.at_least(model.tests.robustness, config.threshold("tests_robustness"))
	compare.at_least(model.tests.adversarial, config.threshold("tests_adversarial"))
	compare.at_least(model.tests.privacy, config.threshold("tests_privacy"))
	compare.none(model.tests.failed)
}
