"""What may stand in the chart's values (JSON Schema, draft 7, which is what Helm checks)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # a DNS subdomain name (RFC 1123)
_NUMBER = r"[0-9]+(\.[0-9]+)?"

text: Schema = {"type": "string"}
switch: Schema = {"type": "boolean"}
host: Schema = {"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
name: Schema = {"type": "string", "pattern": _NAME}
optional_name: Schema = {"anyOf": [{"const": ""}, name]}
count: Schema = {"type": "integer", "minimum": 0}
positive: Schema = {"type": "integer", "minimum": 1}
port: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
percent: Schema = {"type": "integer", "minimum": 1, "maximum": 100}
some: Schema = {"type": ["integer", "string"], "minimum": 1, "pattern": "^([1-9][0-9]?|100)%$"}
"""A number or a part of replicas, but not none: a node could never be emptied."""
cpu: Schema = {"type": ["string", "number"], "pattern": rf"^({_NUMBER}|[0-9]+m)$", "exclusiveMinimum": 0}
memory: Schema = {"type": ["string", "integer"], "pattern": rf"^{_NUMBER}(k|Ki|M|Mi|G|Gi|T|Ti)$", "minimum": 1_048_576}
"""A number without a unit is of bytes."""
duration: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
labels: Schema = {"type": "object", "additionalProperties": text}


def closed(properties: dict[str, Schema], required: Iterable[str] = ()) -> Schema:
    """An object with these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": sorted(required)}


def whole(properties: dict[str, Schema], optional: Iterable[str] = ()) -> Schema:
    """An object with all of these keys but the optional ones: null, which takes a default away, is refused."""
    return closed(properties, properties.keys() - set(optional))


def _texts(*choices: str) -> Schema:
    return {"type": "string", "enum": list(choices)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_expression = closed(
    {"key": text, "operator": _texts("In", "NotIn", "Exists", "DoesNotExist"), "values": _list(text)},
    ("key", "operator"),
)
_selector = closed({"matchLabels": labels, "matchExpressions": _list(_expression)})
_network: Schema = {
    "type": "string",
    "pattern": r"^(([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}|[0-9a-fA-F]*:[0-9a-fA-F:.]*/[0-9]{1,3})$",
}
_peer = closed(
    {
        "podSelector": _selector,
        "namespaceSelector": _selector,
        "ipBlock": closed({"cidr": _network, "except": _list(_network)}, ("cidr",)),
    }
) | {"minProperties": 1}
_rule_port = closed({"port": {"anyOf": [port, name]}, "endPort": port, "protocol": _texts("TCP", "UDP", "SCTP")})
peers = _list(_peer)
"""NetworkPolicyPeer; one that says nothing is not to mean everybody."""
egress = _list(
    closed({"ports": _list(_rule_port) | {"minItems": 1}, "to": peers | {"minItems": 1}}) | {"minProperties": 1}
)
"""NetworkPolicyEgressRule; nor is one that names neither ports nor peers to mean everything."""
resources = closed(
    {kind: closed({"cpu": cpu, "memory": memory, "ephemeral-storage": memory}) for kind in ("requests", "limits")}
)
tolerations = _list(
    closed(
        {
            "key": text,
            "operator": _texts("Exists", "Equal"),
            "value": text,
            "effect": _texts("NoSchedule", "PreferNoSchedule", "NoExecute"),
            "tolerationSeconds": {"type": "integer"},
        }
    )
)
parents = _list(
    closed({"group": text, "kind": text, "namespace": name, "name": name, "sectionName": name, "port": port}, ("name",))
)
tag: Schema = {"type": "string", "pattern": r"^([A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?$"}
image_name: Schema = {"type": "string", "pattern": r"^[a-z0-9][-A-Za-z0-9._:/@]*$"}
repository: Schema = {"type": "string", "pattern": r"^([a-z0-9][-a-z0-9._]*(:[0-9]+)?(/[a-z0-9][-a-z0-9._]*)*)?$"}
digest: Schema = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
image = whole(
    {"repository": repository, "tag": tag, "digest": digest, "pullPolicy": _texts("Always", "IfNotPresent", "Never")}
)
autoscaling = whole({"enabled": switch, "minReplicas": positive, "maxReplicas": positive, "cpuPercent": percent})


def _environment(settings: Mapping[str, str]) -> Schema:
    """Settings as a map: those that some process has, and what is OpenTelemetry's. Numbers stand in quotes.

    What a setting may be is a regular expression, or nothing; a template may be anything, and so may what is empty.
    """
    value = {"type": ["string", "null"]}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            setting: value | ({"pattern": rf"^({may}|.*\{{\{{.*)?$"} if may else {})
            for setting, may in sorted(settings.items())
        },
        "patternProperties": {"^(OTEL|AWS|PYTHON)_[A-Z0-9_]+$": value},
    }


def _secrets(settings: Iterable[str]) -> Schema:
    """Where each secret setting stands. An empty name is a Secret that someone meant to give."""
    source = closed(
        {
            "name": {"type": "string", "pattern": rf"{_NAME}|\{{\{{"},
            "key": {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"},
        },
        ("name", "key"),
    )
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {setting: {"anyOf": [source, {"type": "null"}]} for setting in sorted(settings)},
    }


def _shared(settings: Mapping[str, str]) -> Schema:
    return whole(
        {
            "instance": optional_name,
            "environment": _texts("development", "test", "production"),
            "publicUrl": {"type": "string", "pattern": r"^https?://[^/?#]+/?$"},
            "image": whole(
                {"registry": repository, "tag": tag, "pullSecrets": _list(closed({"name": name}, ("name",)))}
            ),
            "env": _environment(settings),
            "secrets": _secrets(settings),
            "checkSecrets": switch,
            "sync": switch,
            "tls": whole(
                {
                    "mode": _texts("certManager", "secret", "none"),
                    "issuer": whole({"name": optional_name, "kind": _texts("Issuer", "ClusterIssuer"), "group": text}),
                }
            ),
            "networkPolicy": whole(
                {
                    "enabled": switch,
                    "database": peers,
                    "databasePort": port,
                    "redis": peers,
                    "redisPort": port,
                    "monitoring": peers,
                }
            ),
            "monitoring": whole({"serviceMonitor": switch, "interval": duration, "labels": labels}),
            "database": whole({"cloudnativepg": switch}),
        }
    )


def of_a_process(settings: Mapping[str, str], processes: list[str]) -> Schema:
    """The values of charts/service, where others may be named by these names alone."""
    callers = ["edge", *processes, *(f"{process}-worker" for process in processes if process != "gateway")]
    way = whole({"redis": switch, "to": _list({"enum": processes}), "egress": egress})
    properties = {
        "enabled": switch,  # the umbrella's condition
        "name": optional_name,
        "kind": _texts("grpc", "http"),
        "image": image,
        "replicas": count,
        "resources": resources,
        "autoscaling": autoscaling,
        "podDisruptionBudget": whole({"enabled": switch, "maxUnavailable": some}),
        "env": _environment(settings),
        "secrets": _secrets(settings),
        "required": _list({"enum": sorted(settings)}),
        "worker": whole(
            {
                "enabled": switch,
                "replicas": count,
                "resources": resources,
                "autoscaling": autoscaling,
                "secrets": _secrets(settings),
                "required": _list({"enum": sorted(settings)}),
            }
        ),
        "migrate": whole(
            {
                "enabled": switch,
                "secrets": _secrets(settings),
                "required": _list({"enum": sorted(settings)}),
                "deadlineSeconds": positive,
            }
        ),
        "storage": whole(
            {
                "enabled": switch,
                "path": {"type": "string", "pattern": "^/"},
                "size": memory,
                "storageClass": optional_name,
                "accessModes": _list(_texts("ReadWriteOnce", "ReadWriteMany")),
                "existingClaim": optional_name,
                "setting": {"enum": ["", *sorted(settings)]},
                "instead": {"enum": ["", *sorted(settings)]},
            }
        ),
        "network": whole({"from": _list({"enum": callers}), "database": switch, "serve": way, "worker": way}),
        "nodeSelector": labels,
        "tolerations": tolerations,
        "podAnnotations": labels,
        "terminationGracePeriodSeconds": {"type": "integer", "minimum": 35},
        "global": _shared(settings),
    }
    return {"$schema": _DRAFT, "title": "One process of NeoForge"} | whole(properties, {"enabled"})


def of_the_whole(settings: Mapping[str, str], processes: list[str]) -> Schema:
    """The values of the umbrella; what stands below a process is checked by that process's own chart."""
    pooler = whole(
        {
            "enabled": switch,
            "instances": positive,
            "poolMode": _texts("transaction", "session"),
            "maxClients": positive,
            "poolSize": positive,
        }
    )
    properties = {
        "global": _shared(settings),
        **{process: {"type": "object"} for process in processes},
        "edge": whole(
            {
                "enabled": switch,
                "image": image_name,
                "replicas": count,
                "resources": resources,
                "from": peers,
                "listen": _texts("0.0.0.0", "::"),
                "tls": whole({"secret": optional_name, "port": {"type": "integer", "minimum": 1, "maximum": 65535}}),
                "service": whole({"type": _texts("ClusterIP", "NodePort", "LoadBalancer"), "annotations": labels}),
            }
        ),
        "route": whole({"enabled": switch, "hostnames": _list(host), "parentRefs": parents}),
        "ingress": whole(
            {
                "enabled": switch,
                "className": optional_name,
                "annotations": labels,
                "hosts": _list(host),
                "tlsSecret": optional_name,
            }
        ),
        "certificateAuthority": whole({"create": switch}),
        "postgresql": whole(
            {
                "instances": positive,
                "image": image_name,
                "size": memory,
                "storageClass": optional_name,
                "resources": resources,
                "parameters": labels,
                "pooler": pooler,
            }
        ),
        "roles": whole(
            {
                "enabled": switch,
                "image": image_name,
                "adminSecret": optional_name,
                "passwords": closed({process: name for process in processes if process != "gateway"}),
            }
        ),
        "rules": whole(
            {
                "enabled": switch,
                "labels": labels,
                "runbooks": {"type": "string", "pattern": "^https?://[^\\s]+$"},
                "exporters": {"type": "array", "items": {"enum": ["postgresql", "redis"]}, "uniqueItems": True},
            }
        ),
        "dashboards": whole({"enabled": switch, "labels": labels, "annotations": labels}),
    }
    return {"$schema": _DRAFT, "title": "NeoForge"} | whole(properties)
