"""Holds what `kubectl kustomize` wrote and the compose files to their schemas and to the rules of a hardened container:
`manifests.py MANIFESTS CONFIGURATION COMPOSE...`; the second one is the page of settings, the third what the others add to."""

import pathlib, sys

import compose_spec, kubernetes_validate, yaml

manifests_path, page, *compose_paths = map(pathlib.Path, sys.argv[1:])
services, volumes = {}, {}
for path in compose_paths:
    compose_spec.PyOptions(apply_merge=True).from_yaml(path.read_text()).validate()
    compose = yaml.safe_load(path.read_text())
    volumes |= compose["volumes"]
    for name, service in compose["services"].items():
        settings = [key for key in service.get("environment", {}) if key.startswith("MCP_OPENAI_")]
        assert all(f"`{key}`" in page.read_text() for key in settings), f"{name} has settings that are none: {settings}"
        services[name] = services.get(name, {}) | service
for name, service in services.items():
    assert service["image"].rpartition(":")[2] not in ("", "latest"), f"{name} has no version"
    for source in (mount.partition(":")[0] for mount in service.get("volumes", [])):
        assert source in volumes or (compose_paths[0].parent / source).exists(), f"{name}: there is no {source}"
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
mounted = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
assert {mount["name"] for mount in container["volumeMounts"]} == set(mounted)
assert mounted["config"]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
assert mounted["pictures"]["persistentVolumeClaim"]["claimName"] == manifests["PersistentVolumeClaim"]["metadata"]["name"]
print(f"{len(services)} services and {len(manifests)} manifests")
