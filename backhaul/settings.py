"""Settings: the environment first, then `.env` in the working directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from activators.destinations import Credentials, connectors
from activators.lake import is_lake
from loaders import LoadSettings
from loaders.lake import LANDING


class Settings(BaseSettings):
    """Where things are, and how to reach the vendors. Secrets print as stars."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    warehouse: Path = Field(default=Path("warehouse.duckdb"), validation_alias="BACKHAUL_WAREHOUSE")
    state: Path = Field(default=Path(".backhaul"), validation_alias="BACKHAUL_STATE")
    target: Path = Field(
        default=Path("target"), validation_alias=AliasChoices("DBT_TARGET_PATH", "DBT_ENGINE_TARGET_PATH")
    )
    day_share: float = Field(default=0.9, gt=0, le=1, validation_alias="BACKHAUL_DAY_SHARE")
    hubspot_base_url: str = Field(default="https://api.hubapi.com", validation_alias="HUBSPOT_BASE_URL")
    hubspot_access_token: SecretStr = Field(default=SecretStr(""), validation_alias="HUBSPOT_ACCESS_TOKEN")
    salesforce_base_url: str = Field(default="", validation_alias="SALESFORCE_BASE_URL")
    salesforce_client_id: SecretStr = Field(default=SecretStr(""), validation_alias="SALESFORCE_CLIENT_ID")
    salesforce_client_secret: SecretStr = Field(default=SecretStr(""), validation_alias="SALESFORCE_CLIENT_SECRET")
    pendo_base_url: str = Field(default="https://app.pendo.io", validation_alias="PENDO_BASE_URL")
    pendo_integration_key: SecretStr = Field(default=SecretStr(""), validation_alias="PENDO_INTEGRATION_KEY")

    @field_validator("*", mode="before")
    @classmethod
    def _cut(cls, value: object) -> object:
        """Cut the blanks that a copy from a web page brings along."""
        return value.strip() if isinstance(value, str) else value

    @field_validator(
        "hubspot_access_token", "salesforce_client_id", "salesforce_client_secret", "pendo_integration_key"
    )
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if not (secret.isascii() and secret.isprintable()):
            raise ValueError("holds a character that no key has")
        return value

    @field_validator("hubspot_base_url", "salesforce_base_url", "pendo_base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[\w.-]+(:\d+)?/?", value, re.ASCII):
            raise ValueError("is not an address such as https://api.hubapi.com")
        return value

    @property
    def on_spark(self) -> bool:
        """Whether the warehouse is a lakehouse, whose models dbt builds on Spark."""
        return is_lake(self.warehouse)

    @property
    def plans(self) -> Path:
        """Sealed plans, a folder each."""
        return self.state / "plans"

    @property
    def journal(self) -> Path:
        """Journals of runs, a file each."""
        return self.state / "journal"

    @property
    def syncs(self) -> Path:
        """Logbooks of syncs, a file each."""
        return self.state / "syncs"

    @property
    def manifest(self) -> Path:
        """What dbt knows of the project."""
        return self.target / "manifest.json"

    def credentials(self) -> Credentials:
        """The logins of every destination, for the activators."""
        own = {
            "HUBSPOT_BASE_URL": self.hubspot_base_url,
            "HUBSPOT_ACCESS_TOKEN": self.hubspot_access_token.get_secret_value(),
            "SALESFORCE_BASE_URL": self.salesforce_base_url,
            "SALESFORCE_CLIENT_ID": self.salesforce_client_id.get_secret_value(),
            "SALESFORCE_CLIENT_SECRET": self.salesforce_client_secret.get_secret_value(),
            "PENDO_BASE_URL": self.pendo_base_url,
            "PENDO_INTEGRATION_KEY": self.pendo_integration_key.get_secret_value(),
        }
        # Those of destinations that others bring are known by their names alone.
        declared = [name for connector in connectors().values() for name in connector.settings if name not in own]
        file = dotenv_values(".env") if declared else {}
        others = {name: (os.environ.get(name) or file.get(name) or "").strip() for name in declared}
        return Credentials(own | others)

    def load_settings(self) -> LoadSettings:
        """What the loaders need."""
        return LoadSettings(
            warehouse=self.warehouse / LANDING if self.on_spark else self.warehouse,
            pipelines_dir=self.state / "dlt",
            journal_dir=self.journal,
            syncs_dir=self.syncs,
            hubspot_base_url=self.hubspot_base_url,
            hubspot_access_token=self.hubspot_access_token.get_secret_value(),
            salesforce_base_url=self.salesforce_base_url,
            salesforce_client_id=self.salesforce_client_id.get_secret_value(),
            salesforce_client_secret=self.salesforce_client_secret.get_secret_value(),
            pendo_base_url=self.pendo_base_url,
            pendo_integration_key=self.pendo_integration_key.get_secret_value(),
        )
