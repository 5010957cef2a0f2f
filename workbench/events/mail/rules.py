"""The active receipt rule set: which rules take a recipient (Amazon SES developer guide, "Creating receipt rules").

A recipient condition is an address, a domain, or a domain with a dot before it, which stands for all its subdomains and
not for itself. An address without a label takes the same address with any label (`user+label@example.com`). A rule
without conditions takes every address: on AWS every one of a verified domain, here no domain has to be verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Action = tuple[str, dict[str, Any]]
"""An action's name in the API (`S3Action`) and its settings."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A receipt rule that is enabled."""

    name: str
    recipients: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    scan: bool = False

    def matched(self, recipients: Iterable[str]) -> list[str]:
        """Those of the recipients that the rule applies to."""
        return [one for one in recipients if not self.recipients or any(takes(c, one) for c in self.recipients)]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of the active set, in their order; `name` is empty when no set is active."""

    name: str
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> RuleSet:
        """From SES's answer to DescribeActiveReceiptRuleSet; a rule is disabled unless it says otherwise."""
        rules = (_rule(described) for described in answer.get("Rules") or () if described.get("Enabled"))
        return cls((answer.get("Metadata") or {}).get("Name", ""), tuple(rules))

    def takes(self, recipient: str) -> bool:
        """Whether any rule applies to this recipient."""
        return any(rule.matched([recipient]) for rule in self.rules)

    def matching(self, recipients: Iterable[str]) -> Iterator[tuple[Rule, list[str]]]:
        """The rules that apply to a message, each with the recipients that it takes."""
        wanted = list(recipients)
        for rule in self.rules:
            if matched := rule.matched(wanted):
                yield rule, matched


def takes(condition: str, recipient: str) -> bool:
    """Whether a recipient condition takes an address; neither looks at upper and lower case."""
    condition, recipient = condition.lower(), recipient.lower()
    local, _, domain = recipient.rpartition("@")
    if not local:
        return False
    if condition.startswith("."):
        return domain.endswith(condition)
    if "@" not in condition:
        return domain == condition
    wanted, _, wanted_domain = condition.rpartition("@")
    plain = local if "+" in wanted else local.partition("+")[0]
    return domain == wanted_domain and plain == wanted


def _rule(described: Mapping[str, Any]) -> Rule:
    actions = tuple((kind, settings) for action in described.get("Actions") or () for kind, settings in action.items())
    recipients = tuple(described.get("Recipients") or ())
    return Rule(described["Name"], recipients, actions, scan=bool(described.get("ScanEnabled")))
