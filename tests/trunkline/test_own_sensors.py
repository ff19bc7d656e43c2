"""--profiles-dir: a sensor described in a folder is listed, decoded, scanned for and replayed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_profiles.base import Advertisement, ProfileError
from firmware_profiles.registry import PROFILES, all_profiles, match, profile, set_user_profiles
from firmware_profiles.toml_profile import load_profile
from trunkline.cli import main

DOCS = Path(__file__).parents[2] / "docs" / "add-your-sensor.md"
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
DATA = "19b10001-e8f2-537e-4f6c-d104768a1214"
PACKET = "a107e8030000000800fc1400a400aeff0000"


@pytest.fixture(autouse=True)
def forget_afterwards() -> Iterator[None]:
    yield
    set_user_profiles(())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "xiao.toml").write_text(EXAMPLE)
    (tmp_path / "notes.txt").write_text("not a description")
    return tmp_path


def run(*args: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(main, args)


def test_listed_shown_and_decoded(folder: Path) -> None:
    where = ("--profiles-dir", str(folder))
    assert "my_xiao" in run("profiles", *where).output
    assert "pouch at T12" in run("profiles", "show", "my_xiao", *where).output
    args = ["profiles", *where, "decode", "my_xiao", "--characteristic", DATA, "--hex", PACKET]
    (event,) = json.loads(run(*args, "--json").output)["events"]
    assert event["values"]["accel"][0] == pytest.approx([9.80665, -4.903325, 0.095768], abs=1e-5)
    assert event["device_t_ns"] == [1_000_000_000]


def test_named_by_the_environment(folder: Path) -> None:
    env = {"TRUNKLINE_PROFILES_DIR": str(folder)}
    assert "my_xiao" in run("profiles", env=env).output


def test_pages_for_people_show_only_what_everybody_has(folder: Path) -> None:
    assert "my_xiao" not in run("profiles", "--profiles-dir", str(folder), "docs").output


def test_found_by_its_advertisement() -> None:
    set_user_profiles([load_profile(EXAMPLE)])
    (found,) = match(Advertisement("TrunkIMU 7"))
    assert profile("my_xiao") is found
    assert len(all_profiles()) == len(PROFILES) + 1


@pytest.mark.parametrize("command", ["profiles", "scan", "agent", "replay"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EXAMPLE.replace("tick_ns", "tick"), "bad.toml: stamp.tick_ns: is missing"),
        (EXAMPLE[: EXAMPLE.index("[[vectors]]")], "bad.toml: vectors: none says which accel"),
        (EXAMPLE.replace("9.80665,", "9.9,"), "bad.toml: vectors: 'one sample' fails"),
        (EXAMPLE.replace("my_xiao", "polar_h10"), "bad.toml: id: polar_h10 is taken"),
        ("\x00", "bad.toml: not TOML"),
    ],
)
def test_one_bad_file_is_refused_with_one_message(
    command: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.toml").write_text(text)
    result = run(command, "--profiles-dir", str(tmp_path))
    assert result.exit_code == 2
    assert message in result.output.replace("\n", " ")
    assert "Traceback" not in result.output


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    result = run("profiles", "--profiles-dir", str(tmp_path))
    assert (result.exit_code, "bad.toml" in result.output) == (2, True)


def test_the_same_id_twice_is_refused(folder: Path) -> None:
    (folder / "zwei.toml").write_text(EXAMPLE)
    result = run("profiles", "--profiles-dir", str(folder))
    assert result.exit_code == 2
    assert "zwei.toml: id: my_xiao is taken" in result.output
    with pytest.raises(ProfileError):
        set_user_profiles([load_profile(EXAMPLE)] * 2)


def test_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    assert run("profiles", "--profiles-dir", str(tmp_path / "none")).exit_code == 2


def test_replay_refuses_unknown_sensors_and_knows_own_ones(folder: Path) -> None:
    recording = str(folder / "notes.txt")
    args = ["replay", recording, "--wearer", "p-1", "--profiles-dir", str(folder), "--profile"]
    unknown = run(*args, "xsens")
    assert unknown.exit_code == 2
    assert "no profile is called 'xsens'" in unknown.output
    assert "no profile" not in run(*args, "my_xiao").output  # then the recording is at fault
