"""Who may publish: the attacks of somebody who may write to a branch and is not on the list, against a GitHub of our own and real git remotes."""

import http.server
import json
import os
import subprocess
import threading

import case

COMMIT = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"
ANN, BO, EVE = 1001, 1002, 6666
LIST = {"publishers": [{"id": ANN, "name": "ann"}, {"id": BO, "name": "bo"}]}
TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"


class FakeGithub:
    """The four questions that cooper asks, answered from members that a test changes."""

    def __init__(self):
        self.repository = {"id": 77, "full_name": "acme/app", "fork": False, "default_branch": "main"}
        self.record = {"id": 42, "run_attempt": 2, "event": "workflow_dispatch", "repository": {"id": 77, "full_name": "acme/app"},
                       "head_repository": {"id": 77, "full_name": "acme/app"}, "actor": {"id": ANN, "login": "ann"},
                       "triggering_actor": {"id": ANN, "login": "ann"}}
        self.list = json.dumps(LIST)
        self.replies = {}  # what a path is answered instead: (status, headers, body)
        self.failures = 0  # that many answers are 503
        self.requests = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path):
        if self.failures:
            self.failures -= 1
            return 503, {}, "unavailable"
        for part, reply in self.replies.items():
            if part in path:
                return reply
        route = path.split("?")[0]
        if route == "/repos/acme/app":
            return 200, {}, json.dumps(self.repository)
        if route == "/repos/acme/app/actions/runs/42/attempts/2" or route == "/repos/acme/app/actions/runs/42/attempts/1":
            return 200, {}, json.dumps(self.record)
        if route == "/repos/acme/app/commits/heads/main":
            return 200, {}, COMMIT
        if path == "/repos/acme/app/contents/.cooper/publishers.json?ref=" + COMMIT and self.list is not None:
            return 200, {}, self.list
        return 404, {}, '{"message": "Not Found"}'

    def handler(github):  # noqa: N805: `self` is the request there
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                github.requests.append((self.path, self.headers.get("Authorization")))
                status, headers, body = github.answer(self.path)
                body = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


class InGithubActions(case.TestCase):
    def setUp(self):
        super().setUp()
        self.github = FakeGithub()
        self.addCleanup(self.github.close)
        self.event = {"repository": {"id": 77, "full_name": "acme/app", "fork": False}, "sender": {"id": ANN, "login": "ann"}}
        self.environment = {"GITHUB_ACTIONS": "true", "GITHUB_API_URL": self.github.url, "GITHUB_REPOSITORY": "acme/app", "GITHUB_REPOSITORY_ID": "77",
                            "GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_ACTOR": "ann",
                            "GITHUB_ACTOR_ID": str(ANN), "GITHUB_TRIGGERING_ACTOR": "ann", "GITHUB_TOKEN": TOKEN}

    def authorize(self, *flags, expect=0, **environment):
        event = self.workspace.file("event.json", json.dumps(self.event) if not isinstance(self.event, str) else self.event)
        said = self.cooper("authorize", *flags, expect=None, **{"GITHUB_EVENT_PATH": event, **self.environment, **environment})
        self.assertNotIn(TOKEN, said.out + said.err)
        self.assertEqual(said.code, expect, said)
        return said

    def refused(self, *says, code=7, flags=(), **environment):
        said = self.authorize(*flags, expect=code, **environment)
        self.assertEqual(said.out, "")
        for words in says:
            self.assertIn(words, said.err)
        return said

    def rerun_by(self, login, number):
        self.environment.update(GITHUB_RUN_ATTEMPT="2", GITHUB_TRIGGERING_ACTOR=login)
        self.github.record["triggering_actor"] = {"id": number, "login": login}

    def test_a_listed_actor_passes_and_the_list_is_that_of_one_commit_of_the_default_branch(self):
        said = self.authorize("--json").json
        self.assertEqual(said["actor"], {"id": ANN, "login": "ann"})
        self.assertEqual(said["triggering_actor"], {"id": ANN, "login": "ann"})
        self.assertEqual(said["list"], "acme/app main@9f8e7d6:.cooper/publishers.json")
        self.assertEqual([path.split("?")[0].rsplit("/", 1)[1] for path, _ in self.github.requests], ["app", "main", "publishers.json"])
        self.assertEqual({token for _, token in self.github.requests}, {"Bearer " + TOKEN})

    def test_who_is_not_on_the_list_is_refused(self):
        self.environment.update(GITHUB_ACTOR="eve", GITHUB_TRIGGERING_ACTOR="eve", GITHUB_ACTOR_ID=str(EVE))
        self.event["sender"]["id"] = EVE
        self.refused("eve (id 6666) is not in the list", "acme/app main@9f8e7d6:.cooper/publishers.json")

    def test_a_stranger_who_runs_it_again_is_refused(self):
        self.rerun_by("eve", EVE)
        self.refused("eve (id 6666), who started this run,")
        self.rerun_by("bo", BO)
        self.authorize()
        # GITHUB_TRIGGERING_ACTOR and the attempt could be set by an earlier step; then the record of attempt 1 does not say so.
        self.rerun_by("eve", EVE)
        self.refused("another run", GITHUB_RUN_ATTEMPT="1")

    def test_the_actor_of_a_listed_persons_rerun_must_be_listed_too(self):
        self.rerun_by("ann", ANN)
        self.github.record["actor"] = {"id": EVE, "login": "eve"}
        self.refused("eve (id 6666) is not in the list", GITHUB_ACTOR="eve", GITHUB_ACTOR_ID=str(EVE))
        self.refused("the job says 1001")

    def test_a_login_that_somebody_else_has_now_is_worth_nothing(self):
        stranger = {"id": EVE, "login": "ann"}
        self.event["sender"] = stranger
        self.github.record.update(actor=stranger, triggering_actor=stranger, run_attempt=1)
        self.refused("ann (id 6666) is not in the list", GITHUB_ACTOR_ID=str(EVE))

    def test_an_actor_who_has_a_new_login_is_still_the_same(self):
        self.environment.update(GITHUB_ACTOR="anna", GITHUB_TRIGGERING_ACTOR="anna")
        self.authorize()

    def test_the_work_trees_list_is_never_read(self):
        self.environment.update(GITHUB_ACTOR="eve", GITHUB_TRIGGERING_ACTOR="eve", GITHUB_ACTOR_ID=str(EVE))
        self.event["sender"]["id"] = EVE
        tree = self.workspace.directory("tree")
        self.workspace.file("tree/.cooper/publishers.json", json.dumps({"publishers": [{"id": EVE}]}))
        self.refused("is not in the list", flags=["--directory", tree])
        self.github.list = None
        self.refused("answered 404 about the list of publishers", "default branch", flags=["--directory", tree])

    def test_forks_are_refused_by_event_and_by_record(self):
        self.event["repository"]["fork"] = True
        self.refused("acme/app is a fork")
        self.event["repository"]["fork"] = False  # a file that lies
        self.github.repository["fork"] = True
        self.refused("acme/app is a fork")
        self.github.repository["fork"] = False
        self.rerun_by("ann", ANN)
        self.github.record["head_repository"] = {"id": 78, "full_name": "eve/app"}
        self.refused("another repository, a fork")
        self.github.record["head_repository"] = None
        self.refused("not understood", code=8)

    def test_events_that_run_a_strangers_code_are_refused(self):
        for event in ("pull_request", "pull_request_target", "workflow_run", "issue_comment", "issues", "pull_request_review", "merge_group", "fork",
                      "watch", "::set-output name=x::y"):
            with self.subTest(event):
                said = self.refused("nothing is published on the event", GITHUB_EVENT_NAME=event)
                self.assertNotIn("\n::set-output", said.err)
        self.event["pull_request"] = {"number": 1}
        self.refused("a stranger's", GITHUB_EVENT_NAME="push")
        del self.event["pull_request"]
        for event in ("push", "schedule", "release", "repository_dispatch"):
            self.authorize(GITHUB_EVENT_NAME=event)

    def test_an_event_file_that_lies_takes_permission_and_gives_none(self):
        self.event["repository"]["full_name"] = "eve/app"
        self.refused("another repository")
        self.event["repository"] = {"id": 1, "full_name": "acme/app"}
        self.refused("another repository")
        self.event["repository"] = {"id": 77, "full_name": "acme/app"}
        self.event["sender"] = {"id": EVE}  # then GitHub's own record decides
        self.github.record["run_attempt"] = 1
        self.authorize()
        self.github.record["actor"] = {"id": EVE, "login": "eve"}
        self.refused("has the actor 6666, and the job says 1001")
        for broken in ("", "{", "[]x", '{"a":1,"a":2}', "\x00" * 10):
            self.event = broken
            self.refused("GITHUB_EVENT_PATH")
        self.refused("GITHUB_EVENT_PATH", GITHUB_EVENT_PATH=self.path("missing"))

    def test_what_the_job_does_not_say_is_a_no(self):
        for name in ("GITHUB_ACTOR_ID", "GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_EVENT_NAME", "GITHUB_REPOSITORY",
                     "GITHUB_TOKEN", "GITHUB_EVENT_PATH"):
            with self.subTest(name):
                self.refused(name + " is not set", **{name: ""})
        for number in ("0", "-1", "1001 ", "1001.0", "0x3e9", str(2**64), str(2**64 + ANN), "1001\n", "ann"):
            with self.subTest(number):
                self.refused("GITHUB_ACTOR_ID is no number", GITHUB_ACTOR_ID=number)
        for name in ("acme", "acme/app/x", "../app", "acme/..", "acme/a?b", "acme/a b", "a" * 200 + "/b"):
            with self.subTest(name):
                self.refused("GITHUB_REPOSITORY is no OWNER/NAME", GITHUB_REPOSITORY=name)
        self.refused("--actor is for other CI systems", code=2, flags=["--actor", str(ANN)])

    def test_lists_that_are_none(self):
        lists = {"": ":1:", "[]": "publishers", "{}": "publishers", '{"publishers": []}': "is empty", '{"publishers": {}}': "must be a list",
                 '{"publishers": [1001]}': "a publisher is written", '{"publishers": [{"id": "1001"}]}': "not a text",
                 '{"publishers": [{"id": 1001.0}]}': "fraction", '{"publishers": [{"id": 0}]}': "greater than 0", '{"publishers": [{"id": -1001}]}': "greater than 0",
                 '{"publishers": [{"id": %d}]}' % 2**64: "64 bits", '{"publishers": [{"name": "ann"}]}': 'has no "id"',
                 '{"publishers": [{"id": 1001}, {"id": 1001}]}': "stands in line", '{"publishers": [{"id": 1001, "admin": true}]}': "no other member",
                 '{"publishers": [{"id": 1001}], "more": 1}': "nothing else", '{"publishers": [{"id": 1001, "id": 2}]}': "",
                 "<html>": ":1:", "\x00": ":1:", "[" * 100_000: "", json.dumps(LIST) + "x": ":1:"}
        for text, says in lists.items():
            with self.subTest(text[:60]):
                self.github.list = text
                self.refused("nobody may publish", says)
        self.github.list = json.dumps(LIST) + " " * (256 << 10)
        self.refused("has more than 262144 bytes")
        self.github.list = '// who may\n{"publishers": [\n  {"id": 1001, /* since May */ "name": "ann"},\n]}'
        self.authorize()

    def test_a_list_elsewhere(self):
        for path in ("../x", "/etc/passwd", "a//b", "", "a/./b", "a\nb", "a\\b"):
            with self.subTest(path):
                self.refused("is no path in a repository", code=2, flags=["--allow-file", path])
        self.github.replies["/contents/a%20b/%24%28id%29"] = 200, {}, json.dumps(LIST)
        self.authorize("--allow-file", "a b/$(id)")

    def test_statuses(self):
        for status, headers, code, says in ((401, {}, 7, "token is not accepted"), (403, {}, 7, "answered 403"), (404, {}, 7, "answered 404"),
                                            (429, {}, 8, "too many requests"), (403, {"x-ratelimit-remaining": "0"}, 8, "too many requests"),
                                            (403, {"Retry-After": "60"}, 8, "too many requests"), (204, {}, 7, "answered 204")):
            for part in ("/repos/acme/app", "/commits/", "/contents/"):
                with self.subTest(status=status, part=part):
                    self.github.replies = {part: (status, headers, "")}
                    self.refused(says, code=code)
        self.github.replies = {"/contents/": (500, {}, "")}
        self.refused("answered 500", code=8)

    def test_a_short_outage_is_waited_for(self):
        self.github.failures = 2
        self.authorize()

    def test_redirects_take_the_token_nowhere(self):
        other = FakeGithub()
        self.addCleanup(other.close)
        for status in (301, 302, 307, 308):
            for part in ("/repos/acme/app", "/contents/"):
                self.github.replies = {part: (status, {"Location": other.url + "/repos/acme/app"}, "")}
                self.refused("redirects are not followed")
        self.assertEqual(other.requests, [])

    def test_answers_about_something_else(self):
        for wrong in ({"full_name": "eve/app"}, {"id": 78}, {"id": "77"}):
            self.github.repository.update(wrong)
            self.refused("another repository")
            self.github.repository.update(id=77, full_name="acme/app")
        for wrong in ({"default_branch": 1}, {"default_branch": ""}, {"default_branch": "../../x"}, {"default_branch": None}):
            self.github.repository.update(wrong)
            self.refused("not understood", code=8)
        self.github.repository["default_branch"] = "main"
        self.github.replies = {"/commits/": (200, {}, "main")}
        self.refused("did not tell the commit", code=8)
        self.github.replies = {"/repos/acme/app": (200, {}, "<html>")}
        self.refused("not understood", code=8)
        self.github.replies = {"/repos/acme/app": (200, {}, " " * (2 << 20))}
        self.refused("more than 1048576 bytes")

    def test_records_that_are_none(self):
        self.rerun_by("bo", BO)
        good = dict(self.github.record)
        for wrong, code in (({"id": 43}, 7), ({"run_attempt": 1}, 7), ({"repository": {"id": 77, "full_name": "eve/app"}}, 7), ({"event": "pull_request"}, 7),
                            ({"actor": None}, 8), ({"triggering_actor": None}, 8), ({"triggering_actor": {"id": "1002", "login": "bo"}}, 8),
                            ({"triggering_actor": {"id": 2**64 + BO, "login": "bo"}}, 8), ({"triggering_actor": {"id": 1002.0, "login": "bo"}}, 8),
                            ({"triggering_actor": {"id": -1002, "login": "bo"}}, 8), ({"triggering_actor": {"login": "bo"}}, 8), ({"id": "42"}, 8)):
            with self.subTest(wrong):
                self.github.record = {**good, **wrong}
                self.refused(code=code)
        self.github.record = good
        self.github.replies = {"/actions/": (403, {}, "")}
        self.refused("attempt 2 of run 42", "actions: read")

    def test_no_answer(self):
        self.refused(code=8, GITHUB_API_URL="http://127.0.0.1:9")
        self.refused("GITHUB_API_URL is not https", GITHUB_API_URL="http://api.example")


class ByGit(case.TestCase):
    def setUp(self):
        super().setUp()
        self.repository()
        self.commit_list(LIST)
        self.remote = self.path("remote.git")
        self.git("clone", "-q", "--bare", ".", self.remote)
        self.git("remote", "add", "origin", self.remote)

    def commit_list(self, content):
        self.workspace.file("repository/.cooper/publishers.json", content if isinstance(content, str) else json.dumps(content), 0o644)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "list")

    def authorize(self, *flags, expect=0, says="", **environment):
        said = self.cooper("authorize", "--directory", self.path("repository"), *flags, expect=expect, **environment)
        self.assertIn(says, said.err)
        self.assertEqual(os.listdir(self.cooper.temporary), [])
        return said

    def test_all_actors_must_be_on_the_list_of_the_default_branch(self):
        said = self.authorize("--actor", str(ANN), "--actor", str(BO))
        self.assertIn("main@" + self.git("rev-parse", "--short=7", "HEAD") + ":.cooper/publishers.json", said.out)
        self.authorize("--actor", str(ANN), "--actor", str(EVE), expect=7, says="id 6666 is not in the list")
        self.authorize(expect=2, says="--actor")
        for wrong in ("0", "ann", "1001x", str(2**64), ""):
            self.authorize("--actor", wrong, expect=2, says="no numeric id")

    def test_a_list_of_another_branch_or_of_the_work_tree_is_not_read(self):
        self.git("checkout", "-q", "-b", "feature")
        self.commit_list({"publishers": [{"id": EVE}]})
        self.git("push", "-q", "origin", "feature")
        self.authorize("--actor", str(EVE), expect=7, says="is not in the list")
        self.authorize("--actor", str(ANN))

    def test_lists_that_are_none(self):
        for content, says in (("{}", "nobody may publish"), ("x" * (300 << 10), "has more than 262144 bytes")):
            self.commit_list(content)
            self.git("push", "-q", "origin", "main")
            self.authorize("--actor", str(ANN), expect=7, says=says)
        self.authorize("--actor", str(ANN), "--allow-file", "missing.json", expect=7, says="there is no list of publishers")
        self.authorize("--actor", str(ANN), "--allow-file", ".cooper", expect=7)

    def test_the_work_trees_configuration_runs_nothing(self):
        ran = self.path("ran")
        script = self.workspace.file("script", "#!/bin/sh\ntouch %s\n" % ran, 0o755)
        for key in ("core.fsmonitor", "core.sshCommand", "remote.origin.uploadpack", "core.gitProxy", "uploadpack.packObjectsHook", "credential.helper",
                    "core.askPass", "core.pager"):
            self.git("config", key, script)
        self.git("config", "core.hooksPath", self.root)
        self.authorize("--actor", str(ANN))
        self.git("config", "remote.origin.url", "ext::" + script)
        self.authorize("--actor", str(ANN), expect=8, says="does not answer")
        self.assertFalse(os.path.exists(ran))

    def test_remotes(self):
        self.authorize("--actor", str(ANN), "--remote", self.remote)
        self.authorize("--actor", str(ANN), "--remote", "file://" + self.remote)
        self.git("remote", "add", "near", "../remote.git")
        self.authorize("--actor", str(ANN), "--remote", "near")
        self.authorize("--actor", str(ANN), "--remote", "nowhere", expect=2, says='no remote "nowhere"')
        self.authorize("--actor", str(ANN), "--remote", "--upload-pack=x", expect=2, says="no remote")
        self.authorize("--actor", str(ANN), "--remote", self.path("missing.git"), expect=8, says="does not answer")
        self.authorize("--actor", str(ANN), "--remote", "http://user:hunter2@127.0.0.1:9/x.git", expect=8, says="does not answer")
        said = self.authorize("--actor", str(ANN), "--remote", "https://user:hunter2@127.0.0.1:9/x.git", expect=8)
        self.assertNotIn("hunter2", said.err)

    def test_a_remote_without_a_default_branch(self):
        subprocess.run(["git", "init", "-q", "--bare", self.path("empty.git")], check=True, env={**os.environ, **case.GIT})
        self.authorize("--actor", str(ANN), "--remote", self.path("empty.git"), expect=7, says="has no default branch")


if __name__ == "__main__":
    case.main()
