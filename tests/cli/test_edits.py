"""The verbs that make new images of old ones, without a server: layouts, archives, and mistakes on the command line."""

import json
import os

import case


class Edits(case.TestCase):
    def layout(self, name="app"):
        """An image in a layout, as `oci:DIR:NAME`."""
        place = "oci:%s:%s" % (self.path("layout"), name)
        self.cooper("copy", self.image(name + ".tar", text=name), place)
        return place

    def config(self, place):
        return json.loads(self.cooper("inspect", "--config", place).out)

    def test_a_config_is_edited_into_an_archive(self):
        self.cooper("config", self.layout(), "docker-archive:%s:app:2" % self.path("out.tar"), "--env", "A=1", "--label", "l=x", "--user", "me")
        config = self.config("docker-archive:" + self.path("out.tar"))["config"]
        self.assertEqual((config["Env"], config["Labels"], config["User"]), (["A=1"], {"l": "x"}, "me"))

    def test_an_edit_that_changes_nothing_keeps_the_digest(self):
        source = self.layout()
        told = self.cooper("config", source, "oci:%s:same" % self.path("layout"), "--unset-env", "A", "--json").json
        self.assertEqual(told["digest"], self.cooper("inspect", source, "--json").json["digest"])

    def test_the_time_of_an_edit_is_source_date_epoch(self):
        target = "oci:%s:edited" % self.path("layout")
        self.cooper("config", self.layout(), target, "--user", "me", SOURCE_DATE_EPOCH="1700000000")
        self.assertEqual(self.config(target)["history"][-1], {
            "created": "2023-11-14T22:13:20Z", "created_by": "cooper config: user", "empty_layer": True})

    def test_mistakes_in_values_are_usage_errors_before_anything_is_opened(self):
        for flags, says in ((["--expose", "http"], "is no port"), (["--volume", "data"], "is not absolute"), (["--stop-signal", "NOW"], "is no signal"),
                            (["--workdir", "srv"], "is not absolute"), (["--health-interval", "5"], "is no duration"),
                            (["--health-timeout", "1us"], "below 1 ms"), (["--no-healthcheck", "--health-retries", "3"], "excludes"),
                            (["--env", "A"], "KEY=VALUE"), (["--created", "now"], "is no time"), (["--cmd", "[1]"], "array of strings")):
            with self.subTest(flags=flags):
                self.fails(2, "config", "oci:missing", "oci:out", *flags, says=says)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_flatten_then_diff(self):
        self.cooper("append", self.layout(), "--layer", self.site("more", "more") + ":/more", "--tag", "two:1", "-o", self.path("two.tar"))
        flat = "oci:%s:flat" % self.path("layout")
        self.cooper("flatten", self.path("two.tar"), flat, "--compression", "zstd")
        self.assertEqual(len(self.cooper("inspect", flat, "--json").json["layers"]), 1)
        found = self.cooper("diff", self.path("two.tar"), flat, "--json", expect=1).json
        self.assertEqual((found["same"], found["files"]), (False, []))
        self.assertEqual(self.cooper("diff", flat, flat).out, "")
        self.assertEqual(self.cooper("diff", flat, flat, "--json").json["same"], True)
        self.fails(2, "flatten", flat, flat, "--compression", "xz", says="is not gzip, zstd or none")

    def test_differences_are_told_by_line(self):
        self.cooper("append", "scratch", "--layer", self.site("site", "bye") + ":/srv", "--user", "me", "-o", self.path("other.tar"))
        said = self.cooper("diff", self.layout(), self.path("other.tar"), expect=1).out
        self.assertIn('+ /config/User: "me"', said)
        self.assertRegex(said, r"(?m)^  ~ /srv/index.html  .*content sha256:\w+ -> sha256:\w+$")
        self.assertEqual(self.cooper("diff", self.layout(), self.path("other.tar"), "--quiet", expect=1).out, "")

    def test_an_index_is_made_changed_and_annotated(self):
        amd, arm = self.image("amd.tar", "--platform", "linux/amd64"), self.image("arm.tar", "--platform", "linux/arm64")
        index = "oci:%s:multi" % self.path("layout")
        self.cooper("index", "make", index, amd, arm)
        self.assertIn("linux/arm64", self.cooper("config", index, "oci:out", "--platform", "linux/s390x", "--user", "x", expect=1).err)
        self.fails(1, "index", "add", index, index, self.image("again.tar", "--platform", "linux/amd64", text="again"), says="--replace")
        self.cooper("index", "remove", index, "oci:%s:one" % self.path("layout"), "--entry", "linux/arm64")
        self.cooper("annotate", index, "oci:%s:noted" % self.path("layout"), "--annotation", "a=b")
        with open(self.path("layout/index.json"), encoding="utf-8") as text:
            entries = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in json.load(text)["manifests"]}
        for name, count in (("multi", 2), ("one", 1), ("noted", 2)):
            with open(self.path("layout/blobs/" + entries[name].replace(":", "/")), encoding="utf-8") as text:
                document = json.load(text)
            self.assertEqual((len(document["manifests"]), document.get("annotations")), (count, {"a": "b"} if name == "noted" else None))
        self.fails(2, "annotate", index, "oci:out", says="which annotations?")
        self.fails(2, "index", "remove", index, "oci:out", says="which entries?")
        self.fails(1, "index", "remove", index, "oci:out", "--entry", "linux/s390x", says="linux/amd64")

    def test_a_rebase_needs_the_base_that_it_names(self):
        self.fails(1, "rebase", self.layout("a"), "oci:out", self.layout("b"), self.layout("c"), says=["layer 1 of 1", "try: "])
        self.fails(2, "rebase", "a", "b", says="something is missing")


if __name__ == "__main__":
    case.main()
