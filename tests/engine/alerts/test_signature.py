import base64

import pytest

from proctor.alerts import signature
from proctor.errors import SettingsError


def test_the_published_example_comes_out() -> None:
    # https://github.com/standard-webhooks/standard-webhooks: the vector that its libraries are tested with.
    secret = signature.secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "X")
    headers = signature.headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("text", ["hunter22", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"short").decode()])
def test_weak_secrets_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        signature.secret_bytes(text, "PROCTOR_SINK_SECRET")
    assert "PROCTOR_SINK_SECRET" in str(refused.value)
    assert text.removeprefix("whsec_") == "" or text not in str(refused.value)
