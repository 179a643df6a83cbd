"""Holds what `kubectl kustomize` wrote and the compose files to their schemas and to the rules of a hardened container:
`manifests.py MANIFESTS OVERLAID COMPOSE...`: OVERLAID keeps pictures in a bucket, and so do the compose files together, the
first of which is what the others add to."""

import pathlib, re, sys

import compose_spec, kubernetes_validate, yaml

*manifest_paths, compose_path, s3_path = map(pathlib.Path, sys.argv[1:])
compose_paths = [compose_path, s3_path]
root = pathlib.Path(__file__).parents[2]
# The table that the program writes of its settings, and the variables of buckets that it reads.
table = re.findall(r"^\| `[\w.]+` \| `(\w+)` \|", (root / "docs/configuration.md").read_text(), re.MULTILINE)
buckets = re.findall(r'"((?:AWS|GOOGLE|AZURE)_\w+)"', (root / "src/config/pictures.rs").read_text())
known = {*table, *buckets}
assert {"OPENAI_API_KEY_FILE", "MCP_OPENAI_STORE_URL", "AWS_ENDPOINT_URL_S3"} <= known


def held_to_settings(name, variables):
    unknown = set(variables) - known
    assert not unknown, f"{name} sets what is no setting: {unknown}"


services, volumes = {}, {}
for path in compose_paths:
    compose_spec.PyOptions(apply_merge=True).from_yaml(path.read_text()).validate()
    compose = yaml.safe_load(path.read_text())
    volumes |= compose["volumes"]
    for name, service in compose["services"].items():
        if name in ("mcp-1", "mcp-2"):
            held_to_settings(name, service["environment"])
        before = services.get(name, {})
        environment = before.get("environment", {}) | service.get("environment", {})
        services[name] = before | service | {"environment": environment}
for name, service in services.items():
    assert service["image"].rpartition(":")[2] not in ("", "latest"), f"{name} has no version"
    for source in (mount.partition(":")[0] for mount in service.get("volumes", [])):
        assert source in volumes or (compose_paths[0].parent / source).exists(), f"{name}: there is no {source}"
    if name in ("mcp-1", "mcp-2", "proxy"):
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name

# What waits for the bucket outlives its replica, and no other has it.
waiting = set()
for name in ("mcp-1", "mcp-2"):
    (mount,) = services[name]["volumes"]
    volume, _, target = mount.partition(":")
    assert services[name]["environment"]["MCP_OPENAI_STATE_DIR"].startswith(f"{target}/") and volume in volumes, name
    waiting.add(volume)
assert len(waiting) == 2


def held(path, kind):
    """Holds the manifests of a kind of workload to the rules: the manifests, its pod and the pod's settings."""
    manifests = {}
    for manifest in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(manifest, "1.34", strict=True)
        manifests[manifest["kind"]] = manifest
    pod = manifests[kind]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    ports = {port["name"] for port in container["ports"]}
    asked = {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    allowed = {port["port"] for rule in manifests["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]}
    assert asked == {"admin"} and allowed == ports and manifests["Service"]["spec"]["ports"][0]["targetPort"] in ports
    for what, selects in {kind: "selector", "PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}.items():
        assert manifests[what]["spec"][selects]["matchLabels"] == pod["metadata"]["labels"], what
    assert manifests["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
    mounted = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    claims = {claim["metadata"]["name"] for claim in manifests[kind]["spec"].get("volumeClaimTemplates", [])}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {*mounted, *claims}
    assert mounted["config"]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
    settings = {setting["name"]: setting.get("value") for setting in container["env"]}
    held_to_settings(path, settings)
    return manifests, mounts, settings


manifests, mounts, settings = held(manifest_paths[0], "Deployment")
volumes_of_pod = {volume["name"]: volume for volume in manifests["Deployment"]["spec"]["template"]["spec"]["volumes"]}
claim = volumes_of_pod["pictures"]["persistentVolumeClaim"]["claimName"]
assert claim == manifests["PersistentVolumeClaim"]["metadata"]["name"] and "MCP_OPENAI_IMAGES_STORE" not in settings

overlaid, mounts, settings = held(manifest_paths[1], "StatefulSet")
(template,) = overlaid["StatefulSet"]["spec"]["volumeClaimTemplates"]
kept_at = mounts[template["metadata"]["name"]]
assert settings["MCP_OPENAI_IMAGES_STORE"] and settings["MCP_OPENAI_STATE_DIR"].startswith(f"{kept_at}/"), settings
assert "PersistentVolumeClaim" not in overlaid and "Deployment" not in overlaid
print(f"{len(services)} services, {len(manifests)} manifests, and {len(overlaid)} with a bucket")
