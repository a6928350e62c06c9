"""Settings: environment `MILLSTREAM_*` over a TOML file over the defaults below; read once, passed on."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.bundle.signature import EVENT_TYPES

PREFIX = "MILLSTREAM_"
DATA = Path(".millstream")
STORED_TYPES = tuple(name for name in EVENT_TYPES if name != "padding")
# A history record has 32 bytes of header and 16 an entry, and shall stay below 512 KiB: Kafka takes 1 MiB
# a record, and a changelog record that does not fit would stop the worker for good.
HISTORY_LIMIT_MAX = (512 * 1024 - 1 - 32) // 16


class Settings(BaseSettings):
    """What a person can set. Field `k` is `MILLSTREAM_K` in the environment and `k` in the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", validate_default=False
    )

    # Kafka
    kafka_bootstrap_servers: str = Field("localhost:9092", description="host:port, several with commas")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how the connection is protected"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="used with SASL_PLAINTEXT and SASL_SSL"
    )
    kafka_sasl_username: str | None = Field(None, description="needed with SASL_PLAINTEXT and SASL_SSL")
    kafka_sasl_password: SecretStr | None = Field(None, description="needed with SASL_PLAINTEXT and SASL_SSL")
    kafka_tls_ca: Path | None = Field(None, description="PEM file of the authority; the system's by default")
    kafka_tls_cert: Path | None = Field(None, description="PEM file of the client's certificate")
    kafka_tls_key: Path | None = Field(None, description="PEM file of the client's key")
    kafka_tls_key_password: SecretStr | None = Field(None, description="of the client's key, if it has one")
    kafka_wait_s: float = Field(
        30.0, ge=0, le=86_400, description="how long to wait for a broker at the start"
    )
    kafka_session_timeout_s: float = Field(
        6.0, ge=2, le=300, description="a worker not heard of for so long loses its partitions"
    )

    # Topics
    app_id: str = Field(
        "millstream", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="consumer group and name of changelogs"
    )
    topic_prefix: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="put before every topic")
    partitions: int = Field(4, ge=1, le=1000, description="of events and of all that is keyed by user")
    replication_factor: int = Field(1, ge=1, le=10, description="copies of each partition; 3 on a cluster")

    # Where things lie
    registry: str = Field(
        str(DATA / "registry"), min_length=1, description="models: a folder or an fsspec URL"
    )
    state_dir: Path = Field(DATA / "state", description="RocksDB; one folder a worker, safe to lose")
    channel: str = Field("default", min_length=1, description="which announcements of models are followed")

    # Recommending
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model runs")
    k: int = Field(10, ge=1, le=100, description="items a recommendation")
    history_limit: int = Field(
        200,
        ge=1,
        le=HISTORY_LIMIT_MAX,
        description="events remembered of a user; a record stays below 512 KiB",
    )
    history_days: float = Field(
        180.0, gt=0, le=36_500, description="events older than that before the user's newest are dropped"
    )
    emit: Literal["touched", "each"] = Field(
        "touched", description="one recommendation a touched user of a chunk, or one each event"
    )
    positive_types: Annotated[tuple[str, ...], NoDecode] = Field(
        tuple(name for name in STORED_TYPES if name != "dislike"),
        description="event types a recommendation is judged by, with commas",
    )
    trending_half_life_days: float = Field(
        7.0, gt=0, le=3650, description="of an event's weight in what is trending"
    )

    # Delivery
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once",
        description="exactly-once: each chunk is one transaction; Apache Kafka only, some 20 ms later",
    )
    source_epoch: int = Field(
        0, ge=0, lt=2**32, description="the least that a partition of events has; a later one is remembered"
    )
    new_source_epoch: bool = Field(
        False, description="accept an events topic that was made anew or truncated; for one start"
    )
    standby_replicas: int = Field(
        0, ge=0, le=10, description="warm copies of each partition on other workers"
    )
    chunk_age_limit_s: float = Field(
        120.0, gt=0, le=3600, description="a worker whose oldest chunk is older ends itself"
    )
    recovery_age_limit_s: float = Field(
        300.0, gt=0, le=86_400, description="a worker that recovers for longer ends itself"
    )

    # The worker's own
    web_host: str = Field("127.0.0.1", min_length=1, description="where the worker's web server listens")
    web_port: int = Field(6066, ge=1, le=65_535, description="one a worker")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is logged")
    tansu: str | None = Field(None, description="another Tansu binary for the embedded broker")
    cache: Path | None = Field(None, description="where Apache Kafka's jars are kept; ~/.cache/millstream")

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _hosts_and_ports(cls, value: str) -> str:
        servers = [server.strip() for server in value.split(",")]
        for server in servers:
            host, _, port = server.rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65_536 or "//" in host:
                raise ValueError("should be host:port, several separated by commas")
        return ",".join(servers)

    @field_validator("positive_types", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",")]
        if isinstance(value, list | tuple):
            unknown = [name for name in value if name not in STORED_TYPES]
            if unknown or not value:
                raise ValueError(f"should be some of {', '.join(STORED_TYPES)}, separated by commas")
        return value

    @field_validator("kafka_tls_ca", "kafka_tls_cert", "kafka_tls_key")
    @classmethod
    def _a_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("should be a PEM file, and there is none")
        return value

    @model_validator(mode="after")
    def _whole_credentials(self) -> Settings:
        protocol = self.kafka_security_protocol
        if protocol.startswith("SASL"):
            for name in ("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
                if getattr(self, name.lower()) is None:
                    raise ValueError(f"{PREFIX}{name} is needed with kafka_security_protocol={protocol}")
        if (self.kafka_tls_cert is None) != (self.kafka_tls_key is None):
            raise ValueError(f"{PREFIX}KAFKA_TLS_CERT and {PREFIX}KAFKA_TLS_KEY go together; one is missing")
        return self

    def kafka_kwargs(self) -> dict[str, Any]:
        """Arguments that every aiokafka client takes: where the brokers are, and who we are."""
        protocol = self.kafka_security_protocol
        kwargs: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap_servers,
            "security_protocol": protocol,
        }
        if protocol.endswith("SSL"):
            kwargs["ssl_context"] = self.tls_context()
        if protocol.startswith("SASL"):
            assert self.kafka_sasl_password is not None
            kwargs |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_sasl_username,
                "sasl_plain_password": self.kafka_sasl_password.get_secret_value(),
            }
        return kwargs

    def tls_context(self) -> ssl.SSLContext:
        """A context that checks the broker's certificate and name."""
        context = ssl.create_default_context(cafile=self.kafka_tls_ca)
        if self.kafka_tls_cert is not None:
            password = self.kafka_tls_key_password
            context.load_cert_chain(
                self.kafka_tls_cert,
                self.kafka_tls_key,
                # An empty answer instead of a prompt that a service could not see.
                password=password.get_secret_value() if password else "",
            )
        return context
