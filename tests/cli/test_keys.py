"""cooper keys: keys made, kept and shown; where passphrases come from, and where they never go."""

import json
import os
import pty
import select
import stat
import subprocess
import termios
import time

import case

WORD = "correct horse"


def at_terminal(cooper, arguments, answers, **environment):
    """Runs the command with a terminal of its own and types an answer at each question: (exit code, what the terminal showed, standard output,
    standard error, whether the terminal echoes again)."""
    master, slave = pty.openpty()
    command = subprocess.Popen([cooper.path, *arguments], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                               env={**cooper.environment, **environment},
                               preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)))  # the first terminal that is opened is its own
    shown, asked, deadline = b"", 0, time.monotonic() + 60
    while command.poll() is None and time.monotonic() < deadline:
        if select.select([master], [], [], 0.05)[0]:
            shown += os.read(master, 4096)
        if shown.count(b": ") > asked and not termios.tcgetattr(slave)[3] & termios.ECHO:
            os.write(master, answers[asked])
            asked += 1
    out, err = command.communicate(timeout=60)
    echoes = bool(termios.tcgetattr(slave)[3] & termios.ECHO)
    os.close(master)
    os.close(slave)
    return command.returncode, shown.decode(), out.decode(), err.decode(), echoes


class Keys(case.TestCase):
    def generate(self, name="a.key", *flags, **options):
        return self.cooper("keys", "generate", "-o", self.path(name), *flags, **options)

    def test_a_key_its_public_half_and_the_fingerprint(self):
        said = self.generate("a.key", "--no-passphrase")
        self.assertRegex(said.out, r"(?m)^fingerprint +sha256:[0-9a-f]{64}$")
        self.assertIn("by another road", said.err)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("a.key")).st_mode), 0o600)
        with open(self.path("a.key"), encoding="ascii") as key, open(self.path("a.pub"), encoding="ascii") as public:
            self.assertTrue(key.read().startswith("-----BEGIN PRIVATE KEY-----\n"))
            self.assertEqual(self.cooper("keys", "public", self.path("a.key")).out, public.read())
        fingerprint = said.out.split()[-1]
        for name in ("a.key", "a.pub"):
            self.assertEqual(self.cooper("keys", "fingerprint", self.path(name)).out, fingerprint + "\n")
            self.assertEqual(self.cooper("keys", "fingerprint", self.path(name), "--json").json, {"fingerprint": fingerprint})

    def test_a_file_that_is_there_is_never_overwritten(self):
        for there in ("a.key", "a.pub"):
            self.workspace.file(there, "precious", 0o600)
            self.fails(1, "keys", "generate", "--no-passphrase", "-o", self.path("a.key"), says=[there + " is there already", "-o FILE"])
            with open(self.path(there), encoding="ascii") as kept:
                self.assertEqual(kept.read(), "precious")
            os.remove(self.path(there))
            self.assertEqual([name for name in os.listdir(self.root) if name.startswith("a.")], [])

    def test_a_directory_that_is_not_there_gets_no_key(self):
        self.fails(1, "keys", "generate", "--no-passphrase", "-o", self.path("none/a.key"), says="none")

    def test_passphrases_from_a_file_and_the_environment(self):
        self.workspace.file("word", WORD + "\r\nmore\n", 0o600)
        made = self.generate("a.key", "--passphrase-file", self.path("word"), "--json")
        self.assertEqual((made.json["encrypted"], made.json["public_key"]), (True, self.path("a.pub")))
        with open(self.path("a.key"), encoding="ascii") as key:
            self.assertTrue(key.read().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"))
        fingerprint = ["keys", "fingerprint", self.path("a.key")]
        self.assertEqual(self.cooper(*fingerprint, COOPER_KEY_PASSWORD=WORD).out, made.json["fingerprint"] + "\n")
        self.assertEqual(self.cooper(*fingerprint, "--passphrase-file", self.path("word"), COOPER_KEY_PASSWORD="other").out,
                         made.json["fingerprint"] + "\n")
        failed = self.fails(7, *fingerprint, COOPER_KEY_PASSWORD="secret of others", says="passphrase of " + self.path("a.key") + " is wrong")
        self.assertNotIn("secret of others", failed.err)
        alone = subprocess.run([self.cooper.path, *fingerprint], env=self.cooper.environment, capture_output=True, text=True, timeout=60,
                               start_new_session=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((alone.returncode, alone.stdout), (2, ""))
        for words in ("no terminal", "COOPER_KEY_PASSWORD", "--passphrase-file"):
            self.assertIn(words, alone.stderr)

    def test_passphrases_that_are_none(self):
        self.workspace.file("empty", "\n", 0o600)
        self.fails(2, "keys", "generate", "-o", self.path("a.key"), "--passphrase-file", self.path("empty"), says="is empty")
        self.fails(2, "keys", "generate", "-o", self.path("a.key"), COOPER_KEY_PASSWORD="x" * 2000, says="longer than 1024 bytes")
        self.assertFalse(os.path.exists(self.path("a.key")))

    def test_a_terminal_is_asked_without_echo(self):
        word = WORD.encode() + b"\n"
        generate = ["keys", "generate", "-o", self.path("a.key"), "--json"]
        code, shown, out, err, echoes = at_terminal(self.cooper, generate, [word, word])
        self.assertEqual(code, 0, (shown, err))
        self.assertEqual(shown.count("assphrase for"), 1)
        self.assertIn("Once more", shown)
        for text in (shown, out, err):
            self.assertNotIn(WORD, text)
        self.assertTrue(echoes)
        fingerprint = json.loads(out)["fingerprint"]
        code, shown, out, err, echoes = at_terminal(self.cooper, ["keys", "fingerprint", self.path("a.key")], [word])
        self.assertEqual((code, out, echoes), (0, fingerprint + "\n", True), (shown, err))
        self.assertEqual(at_terminal(self.cooper, ["keys", "fingerprint", self.path("a.key")], [b"wrong\n"])[0], 7)

    def test_a_slip_and_ctrl_c_at_the_terminal_make_no_key(self):
        generate = ["keys", "generate", "-o", self.path("a.key")]
        for answers, expected in (([b"one\n", b"two\n"], 2), ([b"\n"], 2), ([b"on\x03"], 130), ([b"one\n", b"\x03"], 130)):
            with self.subTest(answers):
                code, shown, _, err, echoes = at_terminal(self.cooper, generate, answers)
                self.assertEqual((code, echoes), (expected, True), (shown, err))
                self.assertFalse(os.path.exists(self.path("a.key")))

    def test_keys_of_another_kind_and_what_is_no_key(self):
        rsa = self.path("rsa.pem")
        case.services.call(case.services.program("openssl"), "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", rsa)
        self.fails(1, "keys", "public", rsa, says=["RSA", "not ECDSA", "cooper keys generate"])
        self.workspace.file("text", "hello\n", 0o600)
        self.fails(1, "keys", "public", self.path("text"), says="holds no key in PEM")
        self.fails(1, "keys", "fingerprint", self.path("none"), says="none")
        self.generate("a.key", "--no-passphrase")
        self.fails(1, "keys", "public", self.path("a.pub"), says="is a public key")

    def test_others_who_can_read_the_key_are_warned_of(self):
        self.generate("a.key", "--no-passphrase")
        os.chmod(self.path("a.key"), 0o640)
        self.assertIn("chmod 600", self.cooper("keys", "fingerprint", self.path("a.key")).err)


if __name__ == "__main__":
    case.main()
