"""Services and resources: what is accepted, and what a person is told otherwise."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import PackageError
from workbench.service import MEMORY_MB_PER_VCPU, RUNTIMES, Resources, Service


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "my service!"
    directory.mkdir()
    (directory / "app.py").write_text("def handler(event, context):\n    return event\n")
    (directory / "api").mkdir()
    (directory / "api" / "__init__.py").write_text("")
    (directory / "api" / "orders.py").write_text("")
    return directory


@given(st.integers(128, 10_240), st.integers(1, 900), st.integers(512, 10_240))
def test_resources_within_lambdas_limits(memory_mb: int, timeout_s: int, tmp_mb: int) -> None:
    found = Resources(memory_mb, timeout_s, tmp_mb)
    assert found.vcpus == memory_mb / MEMORY_MB_PER_VCPU


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory_mb": 127},
        {"memory_mb": 10_241},
        {"timeout_s": 0},
        {"timeout_s": 901},
        {"tmp_mb": 511},
        {"tmp_mb": 10_241},
    ],
)
def test_resources_outside_name_the_field_and_the_range(wrong: dict[str, int]) -> None:
    (field,) = wrong
    with pytest.raises(PackageError, match=rf"{field} is .* from \d+ to \d+"):
        Resources(**wrong)


def test_one_vcpu_is_at_1769_mb() -> None:
    assert Resources(memory_mb=1769).vcpus == 1.0
    assert Resources(memory_mb=512).vcpus == pytest.approx(0.2894, abs=1e-4)


@pytest.mark.parametrize("handler", ["app.handler", "api.orders.place", "api/orders.place", "api.handler"])
def test_a_handler_whose_module_is_there(source: Path, handler: str) -> None:
    found = Service.from_dir(source, handler)
    assert found.handler == handler
    assert found.source == source.resolve()


def test_the_name_is_made_of_the_directory(source: Path) -> None:
    assert Service.from_dir(source).name == "my-service"
    assert Service.from_dir(source, name="orders").name == "orders"
    assert len(Service.from_dir(source, name="x" * 100).name) == 64


def test_a_missing_directory_and_a_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="There is no directory"):
        Service.from_dir(tmp_path / "absent")
    (tmp_path / "app.py").write_text("")
    with pytest.raises(PackageError, match="not a directory"):
        Service.from_dir(tmp_path / "app.py")


@pytest.mark.parametrize(
    "handler", ["", "handler", "app.", ".handler", "app.hand ler", "app.1handler", "app.handler()"]
)
def test_a_misspelt_handler_shows_how_to_write_it(source: Path, handler: str) -> None:
    with pytest.raises(PackageError, match=r"app\.handler for"):
        Service.from_dir(source, handler)


def test_a_missing_module_names_the_file_and_what_is_there(source: Path) -> None:
    with pytest.raises(PackageError, match=r"orders\.py, which does not exist \(app\.py in .*--handler"):
        Service.from_dir(source, "orders.handler")


def test_a_directory_without_python_says_so(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"no \.py file"):
        Service.from_dir(tmp_path)


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text(max_size=10), max_size=4))
def test_environment_is_added_to_a_copy(variables: dict[str, str]) -> None:
    first = Service("s", Path("."), "app.handler", environment={"KEPT": "yes"})
    second = first.with_environment(**variables)
    assert dict(second.environment) == {"KEPT": "yes", **variables}
    assert dict(first.environment) == {"KEPT": "yes"}


def test_a_service_cannot_be_changed(source: Path) -> None:
    service = Service.from_dir(source, environment={"A": "1"})
    with pytest.raises(FrozenInstanceError):
        service.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        service.environment["A"] = "2"  # type: ignore[index]
    bigger = service.with_resources(Resources(memory_mb=2048))
    assert (bigger.resources.memory_mb, service.resources.memory_mb) == (2048, 1769)


def test_the_callers_own_environment_is_not_shared(source: Path) -> None:
    mine = {"A": "1"}
    service = Service.from_dir(source, environment=mine)
    mine["A"] = "2"
    assert service.environment["A"] == "1"


@pytest.mark.parametrize(
    ("files", "handler", "runtime"),
    [
        (["app.py"], "app.handler", RUNTIMES["python"]),
        (["index.js"], "index.handler", RUNTIMES["nodejs"]),
        (["index.mjs"], "index.api.handler", RUNTIMES["nodejs"]),
        (["src/my-shop.cjs"], "src/my-shop.handler", RUNTIMES["nodejs"]),
        (["shop/Orders.java"], "shop.Orders", RUNTIMES["java"]),
        (["shop.jar"], "shop.Orders::place", RUNTIMES["java"]),
    ],
)
def test_the_handlers_file_tells_the_language(tmp_path: Path, files: list[str], handler: str, runtime: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert Service.from_dir(tmp_path, handler).runtime == runtime
    assert Service.from_dir(tmp_path, handler, runtime=runtime).runtime == runtime


def test_two_languages_that_fit_have_to_be_told_apart(tmp_path: Path) -> None:
    for name in ("app.py", "app.js"):
        (tmp_path / name).write_text("")
    with pytest.raises(PackageError, match=r"python and nodejs in .*runtime='nodejs"):
        Service.from_dir(tmp_path, "app.handler")
    assert Service.from_dir(tmp_path, "app.handler", runtime="nodejs20.x").runtime == "nodejs20.x"


def test_a_dockerfile_may_bring_any_runtime(tmp_path: Path) -> None:
    (tmp_path / "server.pl").write_text("print 1;")
    with pytest.raises(PackageError, match=r"perl5.*any program runs, with a Dockerfile in "):
        Service.from_dir(tmp_path, "server.pl", runtime="perl5")
    (tmp_path / "Dockerfile").write_text("FROM ${BASE}")
    assert Service.from_dir(tmp_path, "server.pl", runtime="perl5").runtime == "perl5"


def test_a_runtime_that_is_not_here_and_a_file_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    with pytest.raises(PackageError, match=r"'ruby3\.3' here; choose one like python.*nodejs"):
        Service.from_dir(tmp_path, "app.handler", runtime="ruby3.3")
    with pytest.raises(PackageError, match=r"app\.js, \.mjs or \.cjs, which does not exist \(app\.py in"):
        Service.from_dir(tmp_path, "app.handler", runtime="nodejs22.x")


@pytest.mark.parametrize("path", ["health", "/a b", "/_workbench/health", "/x#y", "/\n"])
def test_a_health_path_that_is_none_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "app.py").write_text("")
    with pytest.raises(PackageError, match="health path"):
        Service.from_dir(tmp_path, health_path=path)


def test_a_health_path_is_kept(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    assert Service.from_dir(tmp_path, health_path="/health?deep=1").health_path == "/health?deep=1"
