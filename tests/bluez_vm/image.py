"""What the virtual machine boots: Debian's kernel, a small initramfs, a root in one squashfs.

The root holds copies of this machine's bluetoothd, dbus-daemon and Python, and this checkout with
its environment, at the same paths, and nothing else: imports over 9p would take 15 to 20 s, and so
the guest sees nothing of the host.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.resolve()
GUEST = Path(__file__).parent.resolve() / "guest"
BUSYBOX = Path("/usr/bin/busybox")
BLUETOOTHD = Path("/usr/libexec/bluetooth/bluetoothd")

MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_net", "squashfs", "overlay"),
    *("jitterentropy_rng", "drbg", "sha512_generic", "ctr"),  # no key exchange without randomness
    *("hci_vhci", "cmac", "ecb", "algif_hash", "algif_skcipher"),
)
"""Kernel modules beside those they depend on; the ciphers are what Bluetooth pairing asks for."""

PROGRAMS = (
    *(BUSYBOX, BLUETOOTHD, Path("/usr/bin/dbus-daemon")),
    *(Path("/usr/bin/bluetoothctl"), Path("/usr/bin/btmgmt")),
)
SETTINGS = (
    *("/usr/share/dbus-1/system.conf", "/etc/dbus-1/system.d/bluetooth.conf"),
    *("/etc/bluetooth/main.conf", "/etc/ld.so.cache"),
)

NOT_NEEDED = re.compile(
    r"(playwright|mypy|mypyc|\w+__mypyc|pyarrow|plotly|narwhals|sqlalchemy|hypothesis|pip|setuptools"
    r"|ruff|pygments|wcwidth|prompt_toolkit|vqf|influxdb_client|pydantic|pydantic_core|cryptography"
    r"|site-packages|dist-packages|test|tests|idlelib|tkinter|turtledemo|ensurepip|lib2to3|config-3\S*)"
)
"""Large folders of Python and the environment that the agent does not import."""


class NotInstalledError(Exception):
    """Something to build the image of is missing on this machine; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    """Files for QEMU."""

    release: str
    """Of the kernel."""
    kernel: Path
    initramfs: Path
    root: Path


def build(folder: Path) -> Image:
    """Make the image in `folder`; raises NotInstalledError."""
    kernel = _kernel()
    release = kernel.name.removeprefix("vmlinuz-")
    for program in PROGRAMS:
        if not program.exists():
            raise NotInstalledError(f"{program} is missing; run tests/bluez_vm/install as root")
    return Image(release, kernel, _initramfs(folder, release), _root(folder))


def _kernel() -> Path:
    kernels = [
        kernel
        for kernel in Path("/boot").glob("vmlinuz-*-amd64")
        if Path("/lib/modules", kernel.name.removeprefix("vmlinuz-"), "modules.dep").exists()
    ]
    if not kernels:
        raise NotInstalledError("there is no Debian kernel; run tests/bluez_vm/install as root")
    return max(kernels, key=lambda kernel: [int(n) for n in re.findall(r"\d+", kernel.name)])


# --- initramfs ------------------------------------------------------------------------------------


def _initramfs(folder: Path, release: str) -> Path:
    tree = folder / "initramfs"
    for name in ("bin", "modules", "proc", "sys", "dev", "lower", "upper", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy2(BUSYBOX, tree / "bin" / "busybox")
    shutil.copy2(GUEST / "init", tree / "init")
    (tree / "init").chmod(0o755)
    order = list(dict.fromkeys(_modules(release)))
    for module in order:
        shutil.copy2(module, tree / "modules" / module.name)
    (tree / "modules" / "order").write_text("\n".join(module.name for module in order))
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    made = subprocess.run(
        ["cpio", "--create", "--format=newc", "--quiet"],
        cwd=tree,
        input=names.encode(),
        capture_output=True,
        check=True,
    )
    archive = folder / "initramfs.cpio"
    archive.write_bytes(made.stdout)
    return archive


def _modules(release: str) -> Iterator[Path]:
    """The modules and what they depend on, in the order in which they can be loaded."""
    for module in MODULES:
        told = subprocess.run(
            ["/sbin/modprobe", "--show-depends", "--set-version", release, module],
            capture_output=True,
            text=True,
            check=True,
        )
        for line in told.stdout.splitlines():
            if line.startswith("insmod "):
                yield Path(line.split()[1])


# --- root -----------------------------------------------------------------------------------------


def _root(folder: Path) -> Path:
    archive = folder / "root.squashfs"
    command = ["sqfstar", "-comp", "lz4", "-no-progress", "-no-xattrs", "-quiet", archive]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as squash,
        tarfile.open(fileobj=squash.stdin, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted({str(path) for path in _contents()}):
            tar.add(path, recursive=False)
    if squash.returncode:
        raise NotInstalledError(f"sqfstar ended with code {squash.returncode}; is the disk full?")
    return archive


def _contents() -> Iterator[Path]:
    merged = (Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64"))
    yield from (path for path in merged if path.is_symlink())
    python = Path(sys.executable).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    standard = Path(sys.base_prefix) / "lib" / version
    venv = Path(sys.prefix)
    packages = [*_tree(standard), *_tree(venv / "lib" / version / "site-packages")]
    yield from packages
    yield from (venv / "pyvenv.cfg", venv / "bin" / "trunkline")
    for name in ("python", "python3", version):
        yield from _with_targets(venv / "bin" / name)
    for name in ("firmware_profiles", "wire", "sensor_agent", "analytics", "trunkline"):
        yield from _tree(ROOT / name)
    yield from _tree(GUEST)
    yield from (Path(setting) for setting in SETTINGS)
    libraries = [path for path in packages if path.suffix == ".so"]
    for path in (*PROGRAMS, python, *_libraries([*PROGRAMS, python, *libraries])):
        yield from _with_targets(path)


def _tree(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if NOT_NEEDED.fullmatch(path.name.removesuffix(".so").split(".cpython")[0]):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _tree(path)
        else:
            yield path


def _libraries(programs: Iterable[Path]) -> Iterator[Path]:
    """Shared libraries that the dynamic linker would load for these programs and modules."""
    told = subprocess.run(
        ["ldd", *(str(program) for program in programs)],
        capture_output=True,
        text=True,
        check=False,  # busybox is static, and ldd says so with code 1
    )
    for found in set(re.findall(r"(?:=>|^)\s+(/\S+) \(0x", told.stdout, re.MULTILINE)):
        yield Path(found)


def _with_targets(path: Path) -> Iterator[Path]:
    """A path and, when it is a symbolic link, what it leads to, link by link."""
    path = path.parent.resolve() / path.name
    yield path
    while path.is_symlink():
        path = path.parent / path.readlink()
        path = path.parent.resolve() / path.name
        yield path
