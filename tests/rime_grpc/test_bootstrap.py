"""`rime bootstrap`, run as a person runs it. What it prints is checked by a real Envoy in tests/integration."""

import yaml
from click.testing import CliRunner

from rime_core import UsageError
from rime_grpc.bootstrap import bootstrap

MINE = """\
node: {id: mine, cluster: ours}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
static_resources:
  clusters:
  - {name: backend, type: STATIC, connect_timeout: 1s}
"""


def run(*arguments):
    return CliRunner().invoke(bootstrap, [str(each) for each in arguments])


def test_a_new_envoy_is_told_where_rime_is_and_who_it_is():
    result = run("--at", "127.0.0.1:1234", "--node-id", "n", "--node-cluster", "c")
    assert result.exit_code == 0
    made = yaml.safe_load(result.output)
    assert (made["node"]["id"], made["node"]["cluster"]) == ("n", "c")
    assert made["dynamic_resources"]["ads_config"]["api_type"] == "DELTA_GRPC"
    assert made["dynamic_resources"]["ads_config"]["set_node_on_first_message_only"] is True
    assert "port_value: 1234" in result.output


def test_what_an_envoy_has_and_rime_cannot_serve_is_kept(tmp_path):
    mine = tmp_path / "envoy.yaml"
    mine.write_text(MINE)
    made = yaml.safe_load(run(mine).output)
    assert made["admin"]["address"]["socket_address"]["port_value"] == 9901
    assert (made["node"]["id"], made["node"]["cluster"]) == ("mine", "ours")
    assert [cluster["name"] for cluster in made["static_resources"]["clusters"]] == ["rime"]


def test_a_file_that_is_not_there_is_one_line():
    result = run("/no/such/envoy.yaml")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "cannot read /no/such/envoy.yaml: No such file or directory"


def test_an_address_that_is_none_is_one_line():
    result = run("--at", "somewhere")
    assert isinstance(result.exception, UsageError)
    assert "should look like 127.0.0.1:18000" in str(result.exception)


def test_over_tls_the_files_are_named_as_envoy_will_find_them():
    result = run("--at", "rime.example:1", "--tls-ca", "ca.pem", "--tls-cert", "me.pem", "--tls-key", "me.key")
    (cluster,) = yaml.safe_load(result.output)["static_resources"]["clusters"]
    config = cluster["transport_socket"]["typed_config"]
    assert config["sni"] == "rime.example"
    assert config["common_tls_context"]["tls_certificates"] == [
        {"certificate_chain": {"filename": "me.pem"}, "private_key": {"filename": "me.key"}}
    ]
    assert config["common_tls_context"]["validation_context"]["trusted_ca"] == {"filename": "ca.pem"}


def test_over_tls_another_name_than_the_addresss_can_be_checked():
    result = run("--at", "10.0.0.1:1", "--tls-ca", "ca.pem", "--tls-server-name", "rime.example")
    (cluster,) = yaml.safe_load(result.output)["static_resources"]["clusters"]
    assert cluster["transport_socket"]["typed_config"]["sni"] == "rime.example"


def test_tls_by_halves_is_one_line():
    result = run("--tls-cert", "me.pem")
    assert isinstance(result.exception, UsageError)
    assert "tls_cert and tls_key are of no use without each other" in str(result.exception)
