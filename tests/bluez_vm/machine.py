"""The virtual machine: one QEMU process and a shell in it."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bluez_vm.image import GUEST, Image

BOOT_S = 120.0
"""10 to 24 s on a quiet machine."""
COMMAND_S = 60.0
HOST = "10.0.2.2"
"""This machine's loopback as the guest sees it (QEMU's user network)."""
_END = "end-of-answer"


class MachineError(Exception):
    """The machine ended or does not answer."""


class Machine:
    """A running guest."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, console: Path
    ) -> None:
        self.console = console
        self._reader, self._writer = reader, writer
        self._busy = asyncio.Lock()

    async def run(self, command: str, timeout_s: float = COMMAND_S) -> str:
        """What a shell command of one line prints; raises MachineError unless it returns 0."""
        async with self._busy:
            self._writer.write(f"{{ {command} ; }} </dev/null 2>&1; echo {_END} $?\n".encode())
            lines: list[str] = []
            try:
                async with asyncio.timeout(timeout_s):
                    while not (line := await self._line()).startswith(_END):
                        lines.append(line)
            except TimeoutError:
                raise MachineError(f"{command!r} did not end; it said {lines}") from None
        text = "\n".join(lines)
        if line != f"{_END} 0":
            raise MachineError(f"{command!r} ended with {line.removeprefix(_END)}: {text}")
        return text

    async def _line(self) -> str:
        line = await self._reader.readline()
        if not line:
            raise MachineError(f"the machine ended; {self.console} says why")
        return line.decode(errors="replace").rstrip("\r\n")

    async def spawn(self, argv: Iterable[str], log: str) -> int:
        """Start a program in the background with its outputs in the file `log`; its process id."""
        command = shlex.join(argv)
        return int(await self.run(f"(exec setsid {command} >{log} 2>&1) & echo $!"))

    async def is_running(self, pid: int) -> bool:
        return await self.run(f"test -d /proc/{pid} && echo yes || echo no") == "yes"

    async def fd_count(self, pid: int) -> int:
        """How many files, sockets and pipes a process holds open."""
        return int(await self.run(f"ls /proc/{pid}/fd 2>/dev/null | wc -l"))

    async def pid_of(self, program: str) -> int:
        return int(await self.run(f"pidof {program}"))


@asynccontextmanager
async def booted(
    image: Image, folder: Path, adapter_ports: Iterable[int]
) -> AsyncIterator[Machine]:
    """A machine whose adapters are the controllers at these ports of this machine's loopback."""
    console, socket = folder / "console.log", folder / "shell.sock"
    adapters = ",".join(str(port) for port in adapter_ports)
    settings = f"python={sys.executable} start={GUEST / 'start'} adapters={adapters}"
    # Never KVM, also where /dev/kvm exists: in nested machines it hangs.
    process = await asyncio.create_subprocess_exec(
        *("qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"),
        *("-m", "768", "-display", "none", "-no-reboot", "-nodefaults"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initramfs)),
        *("-append", f"console=ttyS0 quiet panic=-1 {settings}"),
        *("-drive", f"file={image.root},format=raw,if=virtio,readonly=on"),
        *("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="),
        *("-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=shell,path={socket},server=on,wait=off"),
        *("-serial", "chardev:shell"),
    )
    try:
        await _until_said(console, "guest is up", process)
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            yield Machine(reader, writer, console)
        finally:
            writer.close()
    finally:
        if process.returncode is None:
            process.kill()  # it keeps nothing
        await process.wait()


async def _until_said(console: Path, text: str, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(BOOT_S):
            while not console.exists() or text not in console.read_text(errors="replace"):
                if process.returncode is not None:
                    raise MachineError(f"QEMU ended with code {process.returncode}")
                await asyncio.sleep(0.2)
    except TimeoutError:
        said = console.read_text(errors="replace")[-2000:]
        raise MachineError(f"the machine did not start within {BOOT_S:g} s: {said}") from None
