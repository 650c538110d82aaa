"""What the parts of a stack are told."""

import socket
from pathlib import Path

import pytest

from devstack import addresses
from devstack.folders import Folders
from devstack.ports import Ports
from devstack.stack import Stack


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path)
    made.make()
    for name in ("postgresql", "redis"):  # where their passwords are kept
        (tmp_path / name).mkdir()
    return made


def test_services_reach_the_database_at_its_own_port_or_through_what_stands_before_it(folders: Folders) -> None:
    for surroundings, port in (({}, 9003), ({"NEOFORGE_DATABASE_VIA": "9999"}, 9999)):
        stack = Stack.of(folders, Ports(9000), surroundings)
        told = stack.service_environment(stack.services[0])
        assert f"@127.0.0.1:{port}/" in told["NEOFORGE_DATABASE_URL"]
        assert "@127.0.0.1:9003/" in told["NEOFORGE_MIGRATION_DATABASE_URL"]


def test_scripts_of_its_own_origin_may_call_it_and_those_of_the_origins_that_the_person_names(folders: Folders) -> None:
    for surroundings, origins in (
        ({}, ""),
        ({"NEOFORGE_CORS_ORIGINS": "http://localhost:5173"}, ",http://localhost:5173"),
    ):
        told = Stack.of(folders, Ports(9000), surroundings).gateway_environment()
        assert told["NEOFORGE_CORS_ORIGINS"] == f"http://localhost:9000{origins}"


def test_spans_reach_the_trace_page_soon_and_a_collector_of_ones_own_as_it_is_told(folders: Folders) -> None:
    to_the_page = Stack.of(folders, Ports(9000), {}).python_environment()
    assert to_the_page["OTEL_BSP_SCHEDULE_DELAY"] == "500"
    assert to_the_page["OTEL_TRACES_SAMPLER"] == "parentbased_always_on"
    elsewhere = Stack.of(folders, Ports(9000), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"})
    assert not {"OTEL_BSP_SCHEDULE_DELAY", "OTEL_TRACES_SAMPLER"} & elsewhere.python_environment().keys()


def test_nobody_on_this_machine_is_penalised_under_whichever_of_its_addresses_envoy_knows_them(
    folders: Folders,
) -> None:
    never = Stack.of(folders, Ports(9000), {}).gateway_environment()["NEOFORGE_NEVER_PENALISED"].split(",")
    assert "127.0.0.1/32" in never
    for address in addresses.own():
        assert f"{address}/32" in never
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind((address, 0))
