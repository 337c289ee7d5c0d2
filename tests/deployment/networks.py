"""Who reaches whom, by the networks of docker-compose.yml and by NetworkPolicies."""

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

from deployment.compose_file import ComposeFile
from deployment.manifests import Manifests

_SIDES = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}

Pairs = set[tuple[str, str]]


def allowed_by_networks(file: ComposeFile) -> Pairs:
    """Each part with each that shares a network with it, but for `migrate`, which runs in pods of others."""
    networks = {name: set(service.stated["networks"]) for name, service in file.services.items() if name != "migrate"}
    return {(one, other) for one, other in permutations(networks, 2) if networks[one] & networks[other]}


def allowed_by_policies(manifests: Manifests) -> Pairs:
    """Each workload with each whose pods it reaches: a policy lets it out, and another one lets it in."""
    labels = {name: pod["metadata"]["labels"] for name, pod in manifests.pods.items()}
    policies = [policy["spec"] for policy in manifests.of("NetworkPolicy")]
    return {
        (one, other)
        for one, other in permutations(labels, 2)
        if _lets(policies, "Egress", labels[one], labels[other])
        and _lets(policies, "Ingress", labels[other], labels[one])
    }


def closed(manifests: Manifests) -> bool:
    """Whether every pod needs a policy that allows what it does, in both directions."""
    return any(
        policy["spec"] == {"podSelector": {}, "policyTypes": list(_SIDES)} for policy in manifests.of("NetworkPolicy")
    )


def _lets(policies: list[Mapping[str, Any]], side: str, pod: Mapping[str, str], peer: Mapping[str, str]) -> bool:
    """Whether the policies of a pod let it talk, in one direction, to a peer in its namespace on every port."""
    own = [policy for policy in policies if side in policy["policyTypes"] and selects(policy["podSelector"], pod)]
    return not own or any(
        selects(there["podSelector"], peer)
        for policy in own
        for there in _peers(policy, side)
        if set(there) == {"podSelector"}
    )


def _peers(policy: Mapping[str, Any], side: str) -> Iterator[Mapping[str, Any]]:
    rules, peers = _SIDES[side]
    for rule in policy.get(rules, ()):
        if "ports" not in rule:
            yield from rule[peers]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector takes in what has these labels; no labels select all."""
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()
