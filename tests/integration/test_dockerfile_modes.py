"""The Dockerfile cases by whoever builds them: users with and without subordinate ids, and where namespaces are refused.

The image is the one that root gets, to the digest of its manifest, but for what a mode cannot do. Each of the conformance cases is
built in one of the other modes, our own cases in all of them.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import harness
import services
import test_dockerfile_cases as dockerfile_cases
from users import UserOfTheTest

WITHOUT_NAMESPACES = os.environ.get("COOPER_WITHOUT_NAMESPACES", "")
GOLDEN, dfcase = dockerfile_cases.GOLDEN, dockerfile_cases.dfcase
BOUND = 60  # seconds of one build


class Mode:
    def __init__(self, name, isolation, prefix, user=None, wanted="auto", leaves_out=None):
        self.name, self.isolation, self.prefix, self.user, self.wanted = name, isolation, prefix, user, wanted
        self.leaves_out = leaves_out or {}  # case: why it comes out differently or not at all
        self.store = None


# Where there is one id, chown(2) is pretended to commands, and all that they make is root's; whoever USER says is root too.
ONE_OWNER = {"start-workdir-user": "commands of a USER are root's"}


class Modes(dockerfile_cases.DockerfileCases):
    test_own_cases = test_conformance_cases_of_buildah = None  # of the mode that is best here: they are run by their own program

    @classmethod
    def prepare(cls):
        super().prepare()
        if not os.path.exists(WITHOUT_NAMESPACES):
            raise unittest.SkipTest("COOPER_WITHOUT_NAMESPACES names no program")
        cls.ranged, cls.single = harness.start(UserOfTheTest, True), harness.start(UserOfTheTest, False)
        cls.addClassCleanup(cls.ranged.close)
        cls.addClassCleanup(cls.single.close)
        os.chmod(cls.workspace.path, 0o755)
        cls.program = os.path.join(cls.workspace.directory("programs"), "cooper")
        launcher = os.path.join(cls.workspace.directory("programs"), "without_namespaces")
        shutil.copy(cls.cooper.path, cls.program)
        shutil.copy(WITHOUT_NAMESPACES, launcher)
        cls.modes = [Mode("root", "root", []),
                     Mode("userns by root", "userns", [], wanted="userns"),
                     Mode("userns by a user", "userns", cls.ranged.prefix(), cls.ranged),
                     Mode("single-user", "single-user", cls.single.prefix(), cls.single, leaves_out=ONE_OWNER),
                     Mode("chroot", "chroot", [launcher]),
                     Mode("none", "none", [*cls.single.prefix(), launcher], cls.single)]
        for number, mode in enumerate(cls.modes):
            cls.set_up(mode, number)
        print("modes: " + ", ".join(mode.name for mode in cls.modes), file=sys.stderr)

    @classmethod
    def set_up(cls, mode, number):
        """A home, a temporary directory and a store of its own."""
        place = cls.workspace.directory("mode%d" % number)
        mode.store = os.path.join(place, "store")
        mode.environment = {**cls.cooper.environment, "COOPER_STORE": mode.store, "HOME": os.path.join(place, "home"),
                            "TMPDIR": os.path.join(place, "tmp")}
        for name in ("home", "tmp"):
            os.mkdir(os.path.join(place, name))
        shutil.copytree(cls.store, mode.store)
        if mode.user:
            mode.user.give(place)

    def run_as(self, mode, arguments):
        done = subprocess.run([*mode.prefix, self.program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, timeout=BOUND,
                              env=mode.environment, check=False)
        return harness.Result([mode.name, *map(str, arguments)], done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    def build_case(self, case, mode):
        """The result, and the image's description where there is one."""
        work = pathlib.Path(self.workspace.directory("%s-%s" % (case.name, mode.name.replace(" ", "-"))))
        try:
            command = self.command(case, work)
            command[command.index("--isolation") + 1] = mode.wanted
            if mode.user:
                mode.user.give(work)
            built = self.run_as(mode, [command[0], "--json", *command[1:]])
            return built, dfcase.describe(str(work / "image")) if built.code == 0 else None
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def wrong_in(self, case, modes):
        """What comes out in another way than root's build, which a program of its own compares with what is expected."""
        by_root, wanted = self.build_case(case, self.modes[0])
        wrong = []
        for mode in modes:
            built, image = self.build_case(case, mode)
            found = []
            if built.code != by_root.code:
                found.append("ended with %d, and %d when root builds it: %s" % (built.code, by_root.code, built.err[-700:]))
            elif built.code == 0 and "isolation: " + mode.isolation not in built.err:
                found.append("was built in another mode: " + built.err[:300])
            elif built.code == 0 and built.json["manifest"] != by_root.json["manifest"]:
                found += dfcase.compare(wanted, image) or ["is %s, and %s when root builds it" % (built.json["manifest"], by_root.json["manifest"])]
            reason = mode.leaves_out.get(case.name)
            if bool(found) != bool(reason):
                wrong.append("%s in mode %s:\n    %s" % (case.name, mode.name, "\n    ".join(found[:6]) or "came out right, though " + reason))
        return wrong

    def check_cases(self, cases):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wrong = sum(pool.map(lambda item: self.wrong_in(*item), cases), [])
        self.assertFalse(wrong, "\n".join(wrong))

    @staticmethod
    def runs_commands(case):
        arguments = dfcase.load_args(str(case))
        texts = [case / "context" / arguments.get("dockerfile", "Dockerfile"), *case.glob("Dockerfile*")]
        return any("RUN" in text.read_text(errors="replace") for text in texts if text.is_file())

    def cases(self, directory, share):
        """Each case with those of the other modes that `share` takes for its number."""
        cases = sorted(path for path in (GOLDEN / directory).iterdir() if path.is_dir() and path.name != "__pycache__")
        chosen = os.environ.get("COOPER_CASES")
        found = []
        for number, case in enumerate(cases):
            modes = [mode for mode in self.modes[1:] if mode.isolation != "none" or not self.runs_commands(case)]
            if chosen:
                found += [(case, modes)] if case.name in chosen.split(",") else []
            elif share(modes, number):
                found.append((case, share(modes, number)))
        return found

    def test_own_cases_in_every_mode(self):
        self.check_cases(self.cases("build-cases", lambda modes, _: modes))

    def test_conformance_cases_in_one_mode_each(self):
        """Every second one: that these modes do what root's does is seen by then."""
        self.check_cases(self.cases("buildah-conformance/cases", lambda modes, number: modes[number // 2 % len(modes):][:1 - number % 2]))

    def test_a_command_where_none_can_be_run(self):
        context = pathlib.Path(self.path("context"))
        context.mkdir()
        (context / "Dockerfile").write_text("FROM cooper-test/base\nRUN true\n")
        for path in (context, *context.parents):
            if str(path).startswith(self.workspace.path):
                path.chmod(0o755)
        refused = self.run_as(self.modes[-1], ["build", context])
        self.assertEqual(refused.code, 1, refused)
        for said in ("RUN", "chroot", "userns"):
            self.assertIn(said, refused.err)

    def test_what_one_mode_remembers_does_not_mislead_another(self):
        """One store for all of root's modes, where layers and steps of several modes meet."""
        context = pathlib.Path(self.path("context"))
        context.mkdir()
        (context / "Dockerfile").write_text("FROM cooper-test/base\nCOPY --chown=app Dockerfile /owned\nRUN touch /made && chown 1500:2000 /made\nRUN --mount=type=cache,"
                                            "target=/c,uid=1000 ls -ln / > /dev/null; id > /c/x\nUSER app\nWORKDIR /home/app/w\nRUN id -u > id\n")
        digests = set()
        for wanted in ("root", "userns", "chroot", "root", "userns"):
            built = self.cooper("build", "--json", "--isolation", wanted, "-t", "t/shared:1", context, COOPER_STORE=self.store, timeout=BOUND)
            digests.add(built.json["manifest"])
        self.assertEqual(len(digests), 1)
        one = self.cooper("build", "--json", "--isolation", "single-user", "-t", "t/shared:2", context, COOPER_STORE=self.store, timeout=BOUND)
        self.assertNotIn(one.json["manifest"], digests)


if __name__ == "__main__":
    harness.main()
