"""What an hour of an instance costs: from a file that the operator gives, else from AWS's Price List, else unknown.

Never invented: without either, cost reads "price unknown". Prices are on demand; what spot capacity costs AWS tells in
billed seconds.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from backend.adapters.sagemaker.errors import translating
from backend.adapters.sagemaker.session import PRICE_REGION, Aws
from backend.errors import DigitsError, InvalidInputError

_COMPONENTS: Final = ("Training", "Hosting")


class Prices:
    """Prices of one kind of use. `file` is JSON: `{"ml.m5.xlarge": 0.257}`, or by use, `{"training": {...}}`."""

    def __init__(self, aws: Aws, file: Path | None, *, component: str = "Training") -> None:
        """Raises `InvalidInputError` for a file that is not such a mapping."""
        assert component in _COMPONENTS  # noqa: S101 - ours
        self._aws = aws
        self._component = component
        self._given = {} if file is None else _read(file, component.lower())
        self._asked: dict[str, float | None] = {}
        self._lock = threading.Lock()

    def hourly(self, instance_type: str) -> float | None:
        """US dollars for an hour of one instance; None when nobody says, and until AWS has answered."""
        if instance_type in self._given:
            return self._given[instance_type]
        with self._lock:
            if instance_type in self._asked:
                return self._asked[instance_type]
            self._asked[instance_type] = None
        threading.Thread(target=self._ask, args=(instance_type,), name="prices", daemon=True).start()
        return None

    def _ask(self, instance_type: str) -> None:
        try:
            self._asked[instance_type] = self._listed(instance_type)
        except DigitsError:  # no permission, no network: the price stays unknown, which is what is shown
            return

    def _listed(self, instance_type: str) -> float | None:
        filters = {
            "instanceName": instance_type,
            "regionCode": self._aws.account.region,
            "component": self._component,
        }
        with translating(f"look up the price of {instance_type}"):
            answer = self._aws.client("pricing", region=PRICE_REGION).get_products(
                ServiceCode="AmazonSageMaker",
                Filters=[{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()],
                MaxResults=10,
            )
        found = [price for text in answer["PriceList"] for price in on_demand(json.loads(text))]
        return min(found) if found else None


def on_demand(product: Mapping[str, Any]) -> list[float]:
    """The hourly prices on demand of an entry of the Price List, in US dollars; zero is none."""
    dimensions = [
        dimension
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term.get("priceDimensions", {}).values()
    ]
    hourly = [one["pricePerUnit"]["USD"] for one in dimensions if one.get("unit") in ("Hrs", "hours", "Hours")]
    return [float(price) for price in hourly if float(price) > 0]


def _read(file: Path, use: str) -> dict[str, float]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        prices = document.get(use, document)
        return {name: float(price) for name, price in prices.items() if not isinstance(price, dict)}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InvalidInputError(
            f"The price file '{file}' cannot be read: {error}.",
            hint='Expected {"ml.m5.xlarge": 0.257, ...}, US dollars for an hour.',
        ) from error
