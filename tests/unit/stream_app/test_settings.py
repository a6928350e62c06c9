from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from stream_app.domain.history import ENTRY_BYTES, HEADER_BYTES, MAX_RECORD_BYTES
from stream_app.settings import HISTORY_LIMIT_MAX, Settings
from stream_app.settings_sources import SettingsError, as_environment, load_settings, shown, sources


def test_defaults_are_those_of_a_broker_on_this_machine() -> None:
    settings = load_settings()
    assert settings.kafka_kwargs() == {
        "bootstrap_servers": "localhost:9092",
        "security_protocol": "PLAINTEXT",
    }
    assert (settings.partitions, settings.history_limit, settings.history_days, settings.k) == (
        4,
        200,
        180,
        10,
    )
    assert settings.positive_types == ("view", "click", "cart", "purchase", "like")


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "millstream.toml"
    file.write_text("k = 3\npartitions = 7\n[kafka]\nwait_s = 2\n")
    monkeypatch.setenv("MILLSTREAM_K", "5")
    settings = load_settings(config=file)
    assert (settings.k, settings.partitions, settings.kafka_wait_s, settings.emit) == (5, 7, 2, "touched")
    origins = sources(settings, config=file, overrides={})
    assert (origins["k"], origins["partitions"], origins["emit"]) == ("environment", str(file), "default")


def test_what_a_command_is_told_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_K", "5")
    assert load_settings(overrides={"k": 4, "partitions": None}).k == 4


def test_the_file_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.toml").write_text("k = 3")
    monkeypatch.setenv("MILLSTREAM_CONFIG", str(tmp_path / "m.toml"))
    assert load_settings().k == 3


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("K", "0", "greater than or equal to 1"),
        ("K", "ten", "valid integer"),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://kafka", "host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:99999", "host:port"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
        ("KAFKA_TLS_CA", "/no/such.pem", "PEM file"),
        ("POSITIVE_TYPES", "like,buy", "view, click, cart, purchase, like, dislike"),
        ("POSITIVE_TYPES", "like,padding", "view, click, cart, purchase, like, dislike"),
        ("HISTORY_LIMIT", str(HISTORY_LIMIT_MAX + 1), "512 KiB"),
        ("EMIT", "all", "'touched' or 'each'"),
        ("DELIVERY", "at-most-once", "'at-least-once' or 'exactly-once'"),
        ("DEVICE", "gpu", "'auto', 'cpu' or 'cuda'"),
        ("SOURCE_EPOCH", str(2**32), "less than 4294967296"),
        ("APP_ID", "my app", "should match pattern"),
    ],
)
def test_a_bad_value_is_one_line_with_the_variable_the_value_and_what_is_allowed(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"MILLSTREAM_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    line = str(caught.value)
    assert line.startswith(f"MILLSTREAM_{name}={value}: ")
    assert said in line
    assert "\n" not in line


def test_a_bad_value_in_the_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text('k = "many"')
    with pytest.raises(SettingsError, match=f"^k in {file}=many: "):
        load_settings(config=file)


@pytest.mark.parametrize(
    ("content", "said"),
    [("histroy_limit = 3", "did you mean history_limit?"), ("colour = 3", "is no setting"), ("k = ", "TOML")],
)
def test_a_file_with_a_mistake_is_refused(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        load_settings(config=file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not there"):
        load_settings(config=tmp_path / "none.toml")


def test_a_misspelt_variable_is_refused_and_a_foreign_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_SERVICE_HOST", "10.0.0.1")  # as Kubernetes sets for a service
    load_settings()
    monkeypatch.setenv("MILLSTREAM_HISTROY_LIMIT", "3")
    with pytest.raises(SettingsError, match="did you mean MILLSTREAM_HISTORY_LIMIT"):
        load_settings()


def test_credentials_reach_the_client_and_stay_hidden_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "mill",
        "KAFKA_SASL_PASSWORD": "s3cret",
    }.items():
        monkeypatch.setenv(f"MILLSTREAM_{name}", value)
    settings = load_settings()
    kwargs = settings.kafka_kwargs()
    assert (kwargs["sasl_mechanism"], kwargs["sasl_plain_username"]) == ("SCRAM-SHA-512", "mill")
    assert kwargs["sasl_plain_password"] == "s3cret"
    assert kwargs["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert kwargs["ssl_context"].check_hostname
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(shown(settings))


def test_a_bad_password_file_or_name_is_not_told_with_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("MILLSTREAM_KAFKA_SASL_PASSWORD", "s3cret")
    with pytest.raises(SettingsError, match=r"^MILLSTREAM_KAFKA_SASL_USERNAME is needed") as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)


def test_a_client_certificate_needs_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = tmp_path / "cert.pem"
    certificate.touch()
    monkeypatch.setenv("MILLSTREAM_KAFKA_TLS_CERT", str(certificate))
    with pytest.raises(SettingsError, match="go together"):
        load_settings()


def test_another_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"k": 7, "positive_types": ("like", "purchase"), "kafka_sasl_password": "s3cret", "emit": "each"}
    settings = load_settings(overrides=given)
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    again = load_settings()
    assert again.model_dump() == settings.model_dump()


def test_the_longest_history_stays_below_512_kib() -> None:
    longest = HEADER_BYTES + HISTORY_LIMIT_MAX * ENTRY_BYTES
    assert longest < MAX_RECORD_BYTES <= longest + ENTRY_BYTES


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())
