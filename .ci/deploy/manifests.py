"""Holds what `kubectl kustomize` wrote and the compose file to their schemas and to the rules of a hardened container:
`manifests.py COMPOSE MANIFESTS CONFIGURATION`; the last one is the page of settings."""

import pathlib, sys

import compose_spec, kubernetes_validate, yaml

compose_path, manifests_path, page = map(pathlib.Path, sys.argv[1:])
compose_spec.PyOptions(apply_merge=True).from_yaml(compose_path.read_text()).validate()
compose = yaml.safe_load(compose_path.read_text())
for name, service in compose["services"].items():
    assert service["image"].rpartition(":")[2] not in ("", "latest"), f"{name} has no version"
    for source in (mount.partition(":")[0] for mount in service.get("volumes", [])):
        held = source in compose["volumes"] or (compose_path.parent / source).exists()
        assert held, f"{name}: there is no {source}"
    settings = [key for key in service.get("environment", {}) if key.startswith("MCP_OPENAI_")]
    assert all(f"`{key}`" in page.read_text() for key in settings), f"{name} has settings that are none: {settings}"
    if name in ("mcp-1", "mcp-2", "proxy"):
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name

manifests = {}
for manifest in yaml.safe_load_all(manifests_path.read_text()):
    kubernetes_validate.validate(manifest, "1.34", strict=True)
    manifests[manifest["kind"]] = manifest
pod = manifests["Deployment"]["spec"]["template"]
(container,) = pod["spec"]["containers"]
assert pod["spec"]["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
ports = {port["name"] for port in container["ports"]}
asked = {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
allowed = {port["port"] for rule in manifests["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]}
assert asked == {"admin"} and allowed == ports and manifests["Service"]["spec"]["ports"][0]["targetPort"] in ports
for kind, selects in {"Deployment": "selector", "PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}.items():
    assert manifests[kind]["spec"][selects]["matchLabels"] == pod["metadata"]["labels"], kind
assert manifests["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
assert volumes["config"]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
assert volumes["pictures"]["persistentVolumeClaim"]["claimName"] == manifests["PersistentVolumeClaim"]["metadata"]["name"]
print(f"{len(compose['services'])} services and {len(manifests)} manifests")
