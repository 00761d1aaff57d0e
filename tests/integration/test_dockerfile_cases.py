"""Dockerfiles with known results: our own cases, and buildah's conformance tests with what BuildKit makes of them.

The cases lie in tests/golden/dockerfile/{build-cases,buildah-conformance}, or in $COOPER_VECTORS/dockerfile. Each is laid out, built
by cooper, and compared by the cases' own dfcase.py: config, every path of the file system with type, mode, owner, content, link,
xattrs and hard links, the paths of each layer, and the history.
"""

import concurrent.futures
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import harness
GOLDEN = pathlib.Path(os.environ.get("COOPER_VECTORS") or pathlib.Path(__file__).resolve().parent.parent / "golden") / "dockerfile"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Where cooper does not do as BuildKit did, with the reason.
REFUSED = {"copyglob-4": "COPY of wildcards of which none matches copies nothing in BuildKit; docker and buildah refuse it, as the reference says"}
# Files that show the machine on which the expected result was made: there it had proxies in its environment.
OF_THEIR_MACHINE = {"ci-pipeline-modified": "rootfs /env-contents.txt:"}

dfcase = load(GOLDEN / "build-cases" / "dfcase.py")


class DockerfileCases(harness.TestCase):
    ISOLATION = "auto"

    @classmethod
    def prepare(cls):
        cls.store = cls.workspace.directory("store")
        bases = cls.workspace.directory("bases")
        subprocess.run([sys.executable, "-B", str(GOLDEN / "build-cases" / "make_base.py"), bases], check=True)
        for name in ("base", "full", "onbuild"):
            cls.cooper("copy", "oci:%s/%s" % (bases, name), "store:docker.io/cooper-test/%s:latest" % name, COOPER_STORE=cls.store)
        cls.files = dfcase.serve()
        threading.Thread(target=cls.files.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.files.server_close)
        cls.addClassCleanup(cls.files.shutdown)

    def command(self, case, work):
        arguments = dfcase.load_args(str(case))
        context = work / "context"
        dfcase.materialise(str(case), str(context))
        command = ["build", "-f", context / arguments.get("dockerfile", "Dockerfile"), "-o", "oci:%s" % (work / "image"),
                   "--isolation", self.ISOLATION]
        for name, value in (arguments.get("build_args") or {}).items():
            command += ["--build-arg", "%s=%s" % (name, value)]
        for name, value in (arguments.get("secrets") or {}).items():
            (work / name).write_text(value)
            command += ["--secret", "id=%s,src=%s" % (name, work / name)]
        if arguments.get("target"):
            command += ["--target", arguments["target"]]
        if arguments.get("platform"):
            command += ["--platform", arguments["platform"]]
        if arguments.get("source_date_epoch") is not None:
            command += ["--build-arg", "SOURCE_DATE_EPOCH=%s" % arguments["source_date_epoch"]]
        return [*command, context]

    def differences(self, case):
        """Nothing when the case came out as it should."""
        work = pathlib.Path(self.workspace.directory(case.name))
        expected = json.loads(pathlib.Path(dfcase.expected_path(str(case))).read_text())
        built = self.cooper(*self.command(case, work), expect=None, COOPER_STORE=self.store)
        try:
            if case.name in REFUSED:
                return [] if built.code == 1 else ["should have been refused: " + REFUSED[case.name]]
            if built.code != 0:
                right = expected.get("must_fail") or expected.get("may_fail")
                return [] if right and built.code in (1, 2, 3) else ["failed (%d): %s" % (built.code, built.err[-1500:])]
            if expected.get("must_fail"):
                return ["was built, and should have failed"]
            actual, skip = dfcase.describe(str(work / "image")), expected.get("no_compare") or ()
            found = dfcase.compare(expected["result"], actual, history=True, layers=True, skip=skip)
            for other in expected.get("alternatives") or []:
                found = found and dfcase.compare(other["result"], actual, skip=skip) and found
            return [line for line in found if not line.startswith(OF_THEIR_MACHINE.get(case.name, "\0"))]
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def check_all(self, directory):
        cases = sorted(path for path in directory.iterdir() if path.is_dir())
        chosen = os.environ.get("COOPER_CASES")
        if chosen:
            cases = [case for case in cases if case.name in chosen.split(",")]
        self.assertTrue(cases)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = dict(zip(cases, pool.map(self.differences, cases)))
        wrong = {case.name: found for case, found in results.items() if found}
        self.assertFalse(wrong, "%d of %d cases:\n" % (len(wrong), len(cases)) +
                         "\n".join("%s:\n    %s" % (name, "\n    ".join(found[:8])) for name, found in wrong.items()))

    def test_own_cases(self):
        self.check_all(GOLDEN / "build-cases")

    def test_conformance_cases_of_buildah(self):
        self.check_all(GOLDEN / "buildah-conformance" / "cases")


if __name__ == "__main__":
    harness.main()
