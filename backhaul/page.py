"""A plan as one self-contained HTML page: no script, nothing fetched, light and dark."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from activators.destinations import connectors
from activators.plan import Plan
from backhaul.report import DECIDED, REASONS
from backhaul.review import ages, review


def page(plan: Plan) -> str:
    """Render a sealed plan. What the CRMs and the models say is escaped, whatever it is."""
    environment = Environment(
        loader=PackageLoader("backhaul"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("plan.html").render(
        plan=plan,
        reviews=review(plan),
        ages=ages(plan),
        titles={name: connector.title for name, connector in connectors().items()},
        said=REASONS,
        decided=DECIDED,
    )
