# METADATA
# title: Configuration
# description: >-
#   One look-up for thresholds and lists. Values are configuration data, compiled by the build; a name that is not
#   there, or not for this risk tier, is undefined and proves nothing. The build refuses unknown names in rules.
package governance.config

import data.governance.lib.tiers

# METADATA
# description: The list of that name.
list(name) := data.governance.config.values.lists[name]

# METADATA
# description: The number of that name for the risk tier of this decision.
threshold(name) := data.governance.config.values.thresholds[name][tiers.assessment.value]
