#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Builds the packages, installs them into directories of their own, and looks at what is there."""
import argparse
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from report import check, close, skip


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                          stdin=subprocess.DEVNULL, **more)
    return done.returncode, done.stdout, done.stderr


def wrong(result, *words):
    """What is wrong with a command that should end well and say these words."""
    code, out, err = result
    absent = [word for word in words if word not in out]
    return f"exit code {code}, {absent} missing: {out[-500:]} {err[-500:]}" if code or absent else None


def files_below(root):
    found = set()
    for directory, below, names in os.walk(root):
        found |= {"/" + os.path.relpath(os.path.join(directory, name), root) for name in names}
        found |= {"/" + os.path.relpath(os.path.join(directory, name), root) for name in below
                  if os.path.islink(os.path.join(directory, name))}
    return found


def expected(prefix):
    files = {"bin/nettrace", "share/man/man8/nettrace.8.gz", "share/bash-completion/completions/nettrace",
             "share/zsh/site-functions/_nettrace", "share/zsh/vendor-completions/_nettrace",
             "share/fish/vendor_completions.d/nettrace.fish"}
    doc = "share/doc/nettrace-tools/"
    files |= {doc + name for name in ("README.md", "copyright", "LICENSES/GPL-2.0-only.txt",
                                      "LICENSES/BSD-2-Clause.txt", "docs/nettrace.md", "Dockerfile",
                                      "daemonset.yaml")}
    for tool in TOOLS:
        files |= {f"share/man/man8/nettrace-{tool}.8.gz", f"{doc}docs/tools/{tool}.md"}
    return {f"{prefix}/{name}" for name in files}


def links(prefix):
    return {f"{prefix}/{tool}" for tool in TOOLS}


def check_tree(name, root, prefix, link_dir):
    """What is installed at `prefix` below `root`."""
    files = files_below(root)
    check(f"{name}.files", sorted((expected(prefix) | links(link_dir)) - files))
    beside = sorted(f for f in files if os.path.dirname(f).endswith("/bin") and f not in
                    links(link_dir) | {f"{prefix}/bin/nettrace"})
    check(f"{name}.commands", beside)
    check(f"{name}.version", wrong(run(f"{root}{prefix}/bin/nettrace", "--version"), "nettrace "))
    check(f"{name}.link", wrong(run(f"{root}{link_dir}/tcplife", "--help"), "Usage: "))
    return files


# ---- man pages


def check_man(root):
    pages = glob.glob(f"{root}/usr/share/man/man8/*.8.gz")
    lint = shutil.which("mandoc")
    with tempfile.TemporaryDirectory() as place:
        plain = []
        for page in pages:
            plain.append(os.path.join(place, os.path.basename(page)[:-3]))
            with gzip.open(page) as packed, open(plain[-1], "wb") as file:
                file.write(packed.read())
        if lint:
            check("man.lint", run(lint, "-T", "lint", "-W", "warning", *plain)[1])
        else:
            skip("man.lint", "mandoc is not installed")
    if not shutil.which("man"):
        skip("man", "there is no man")
        return
    env = {**os.environ, "MANPATH": f"{root}/usr/share/man", "MANWIDTH": "200", "LC_ALL": "C.UTF-8"}
    for tool in registry["tools"]:
        code, text, err = run("man", f"nettrace-{tool['name']}", env=env)
        text = re.sub(".\b", "", text)
        options = ["--" + o["name"] for o in tool["options"] if o["name"]]
        columns = [c["name"] for c in tool["columns"] if not c["table_only"]]
        check(f"man.{tool['name']}", wrong((code, text, err), "NAME\n", "COLUMNS\n", *options))
        check(f"man.{tool['name']}.columns", [c for c in columns if not re.search(rf"\b{c}\b", text)])
    check("man.nettrace", wrong(run("man", "nettrace", env=env), "EXIT STATUS", *TOOLS))


# ---- each kind of package


def make_dpkg(root):
    for name in ("info", "updates"):
        os.makedirs(f"{root}/var/lib/dpkg/{name}")
    open(f"{root}/var/lib/dpkg/status", "w").close()


def other_nettrace(place):
    """A package of the other project's name."""
    os.makedirs(f"{place}/other/DEBIAN")
    with open(f"{place}/other/DEBIAN/control", "w", encoding="ascii") as file:
        file.write("Package: nettrace\nVersion: 1\nArchitecture: all\nMaintainer: them\n"
                   "Description: another one\n")
    code, _, err = run("dpkg-deb", "-b", f"{place}/other", f"{place}/other.deb")
    return err if code else None


def check_deb(deb, place):
    root = f"{place}/deb"
    make_dpkg(root)
    dpkg = ("dpkg", f"--root={root}", "--force-not-root", "--log=/dev/null")
    check("deb.install", wrong(run(*dpkg, "-i", deb)))
    files = check_tree("deb", root, "/usr", "/usr/lib/nettrace/bin")
    if os.geteuid() == 0:  # as in an image that holds nothing else
        check("deb.alone", wrong(run("chroot", root, "/usr/lib/nettrace/bin/tcplife", "--columns", "help"),
                                 "duration_ns"))
    check_man(root)
    code, theirs, _ = run("dpkg", "-L", "libbpf-tools")
    if code:
        skip("deb.beside-libbpf-tools", "libbpf-tools is not installed")
    else:
        ours = {f for f in files if not f.startswith("/var/lib/dpkg/")}
        check("deb.beside-libbpf-tools", sorted(ours & {f for f in theirs.split("\n") if not os.path.isdir(f)}))
        check("deb.libbpf-tools-same-names", None if "/usr/sbin/tcplife" in theirs else theirs)
    check("deb.other", other_nettrace(place))
    code, _, err = run(*dpkg, "-i", f"{place}/other.deb")
    check("deb.conflict", None if code and "conflict" in err else f"exit code {code}, {err}")
    check("deb.remove", wrong(run(*dpkg, "-P", "nettrace-tools")))
    check("deb.removed", sorted(f for f in files_below(root) if f.startswith("/usr")))


def check_rpm(rpm, place):
    if not shutil.which("rpm"):
        skip("rpm", "rpm is not installed")
        return
    code, listed, err = run("rpm", "-qpl", rpm)
    check("rpm.query", wrong((code, listed, err)))
    want = expected("/usr") | links("/usr/lib/nettrace/bin")
    check("rpm.files", sorted(want - set(listed.split("\n"))))
    check("rpm.conflicts", wrong(run("rpm", "-qp", "--conflicts", rpm), "nettrace"))
    needs = run("rpm", "-qpR", rpm)[1].split("\n")
    check("rpm.requires-nothing", [line for line in needs if line and not line.startswith("rpmlib(")])
    root = f"{place}/rpm"
    os.mkdir(root)
    if os.geteuid():
        skip("rpm.install", "it needs root")
        return
    # beside another package of files in /usr
    check("rpm.relocate", wrong(run("rpm", "--root", root, "--relocate", "/usr=/opt/nettrace", "-i", rpm)))
    check_tree("rpm", root, "/opt/nettrace", "/opt/nettrace/lib/nettrace/bin")


def check_archive(archive, place):
    root = f"{place}/archive"
    os.mkdir(root)
    check("archive.unpack", wrong(run("tar", "-xzf", archive, "-C", root)))
    top = os.listdir(root)
    check("archive.top", None if top == [os.path.basename(archive)[:-len(".tar.gz")]] else top)
    check_tree("archive", f"{root}/{top[0]}", "", "/lib/nettrace/bin")


def check_install(place):
    """What `cmake --install` does, as the README says."""
    root = f"{place}/install"
    check("install", wrong(run("cmake", "--install", build, "--prefix", f"{root}/opt")))
    files = check_tree("install", root, "/opt", "/opt/bin")
    check("install.links-once", sorted(f for f in files if f.startswith("/opt/lib")))


def main():
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        result = run("cpack", "--config", f"{build}/CPackConfig.cmake", "-B", f"{place}/packages",
                     *(["-G", "DEB;TGZ"] if not shutil.which("rpmbuild") else []), cwd=build)
        check("cpack", wrong(result))
        made = {os.path.splitext(path)[1]: path for path in glob.glob(f"{place}/packages/nettrace-tools*")
                if not path.endswith(".sha256")}
        if shutil.which("dpkg"):
            check_deb(made[".deb"], place)
        else:
            skip("deb", "there is no dpkg")
        if ".rpm" in made:
            check_rpm(made[".rpm"], place)
        else:
            skip("rpm", "rpmbuild is not installed")
        check_archive(made[".gz"], place)
        check_install(place)
    return close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=os.path.abspath, help="the build tree")
    build = parser.parse_args().build
    registry = json.loads(run(f"{build}/nettrace", "help", "--json")[1])
    TOOLS = [tool["name"] for tool in registry["tools"]]
    sys.exit(main())
