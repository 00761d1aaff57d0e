"""Docker-archives of all kinds as sources: what other tools write, and what nobody should."""

import gzip
import json
import os

import case
import harness

LAYOUT_FREE = ("oci-layout", "index.json")


class Archives(case.TestCase):
    def setUp(self):
        super().setUp()
        self.archive = self.image()
        self.members = case.read_archive(self.archive)
        self.listing = json.loads(self.members["manifest.json"])
        self.config = self.members[self.listing[0]["Config"]]
        self.layer = self.members[self.listing[0]["Layers"][0]]

    def write(self, name, members):
        return "docker-archive:" + case.write_archive(self.path(name), list(members.items()) if isinstance(members, dict) else members)

    def old_style(self, layer=None, tags=("acme/site:1",), layers=("1/layer.tar",), config=None):
        """As docker before 25 writes it: no index, a plain layer in a folder of its own."""
        config = config or self.config
        name = case.sha256(config) + ".json"
        listing = json.dumps([{"Config": name, "RepoTags": list(tags), "Layers": list(layers)}]).encode()
        return [(name, config), ("1/layer.tar", layer if layer is not None else gzip.decompress(self.layer)), ("manifest.json", listing),
                ("repositories", b"{}")]

    def inspect(self, source, **options):
        return self.cooper("inspect", source, "--deep", "--json", **options)

    def test_ours_comes_back_byte_for_byte(self):
        self.cooper("pull", "docker-archive:" + self.archive, self.path("again.tar"), "--deep")
        self.assertEqual(harness.sha256_of(self.path("again.tar")), harness.sha256_of(self.archive))

    def test_without_an_index_a_manifest_is_made(self):
        for name, members in (("docker-format", {k: v for k, v in self.members.items() if k not in LAYOUT_FREE}),
                              ("docker-save", self.old_style()), ("gzip-layer", self.old_style(layer=self.layer))):
            with self.subTest(name):
                said = self.inspect(self.write(name, members)).json
                self.assertEqual(said["image_id"], "sha256:" + case.sha256(self.config))
                self.assertEqual(said["names"], ["docker.io/acme/site:1"])

    def test_a_shared_layer_that_is_a_link_is_found(self):
        members = self.old_style(layers=["2/layer.tar"]) + [("2/layer.tar", "../1/layer.tar")]
        self.assertEqual(self.inspect(self.write("linked.tar", members)).json["layers"][0]["diff_id"], json.loads(self.config)["rootfs"]["diff_ids"][0])

    def test_links_lead_nowhere_outside(self):
        self.workspace.file("secret", gzip.decompress(self.layer))
        for target in ("/secret", "../../../../.." + self.path("secret"), self.path("secret")):
            members = self.old_style(layers=["2/layer.tar"]) + [("2/layer.tar", target)]
            self.fails(4, "inspect", self.write("evil.tar", members), says="which is not there")

    def test_names_choose_among_several_images(self):
        other = case.read_archive(self.image("other.tar", tag="acme/other:1", text="<p>other\n"))
        both = {**other, **self.members}
        both["manifest.json"] = json.dumps(self.listing + json.loads(other["manifest.json"])).encode()
        index = json.loads(self.members["index.json"])
        index["manifests"] += json.loads(other["index.json"])["manifests"]
        both["index.json"] = json.dumps(index).encode()
        source = self.write("both.tar", both)
        self.fails(1, "inspect", source, says=["2 images", "acme/site:1", "acme/other:1"])
        self.assertEqual(self.inspect(source + ":acme/other:1").json["names"], ["docker.io/acme/other:1"])
        self.assertEqual(self.inspect(source + ":docker.io/acme/site:1").json["names"], ["docker.io/acme/site:1"])
        self.fails(1, "inspect", source + ":acme/third:1", says=["no image acme/third:1", "acme/site:1"])

    def test_colons_and_equal_signs_may_stand_in_file_names(self):
        for name in ("site:latest.tar", "a=b.tar", "a=b:c.tar"):
            source = self.write(name, self.members)
            self.assertEqual(self.inspect(source).json["names"], ["docker.io/acme/site:1"])
            self.assertEqual(self.inspect(source + ":acme/site:1").json["names"], ["docker.io/acme/site:1"])
            self.cooper("pull", source + "=acme/new:2", self.path("new.tar"))
            self.assertEqual(harness.Tarball(self.path("new.tar")).repo_tags, ["docker.io/acme/new:2"])

    def test_lies_are_found(self):
        manifest = next(name for name in self.members if name.endswith(json.loads(self.members["index.json"])["manifests"][0]["digest"][7:]))
        wrong = self.layer[:-9] + bytes([self.layer[-9] ^ 1]) + self.layer[-8:]
        layer = self.listing[0]["Layers"][0]
        for name, members in (("manifest", {**self.members, manifest: self.members[manifest] + b" "}),
                              ("layer", {**self.members, layer: wrong}), ("short layer", {**self.members, layer: self.layer[:-1]}),
                              ("no layer", {k: v for k, v in self.members.items() if k != layer}),
                              ("old layer", self.old_style(layer=gzip.decompress(self.layer) + bytes(512))),
                              ("empty layer", self.old_style(layer=b""))):
            with self.subTest(name):
                source = self.write("lie.tar", members)
                self.fails(4, "pull", source, self.path("x.tar"), "--deep", says="error: ")
                self.assertFalse(os.path.exists(self.path("x.tar")))

    def test_two_members_of_one_name_are_refused(self):
        members = list(self.members.items()) + [("manifest.json", b"[]")]
        self.fails(4, "inspect", self.write("twice.tar", members), says="two members called manifest.json")

    def test_a_file_without_its_transport_is_what_it_is(self):
        oci = self.path("oci.tar")
        self.cooper("save", "docker-archive:" + self.archive, "--oci", "-o", oci)
        digests = {self.cooper("copy", source, "oci:" + self.path("l%d" % n), "--json").json["digest"]
                   for n, source in enumerate((self.archive, oci, "docker-archive:" + oci, "oci-archive:" + oci))}
        self.assertEqual(len(digests), 1)
        self.fails(1, "inspect", "docker-archive:" + oci + ":acme/site:1", says=["is an OCI archive", "try: oci-archive:"])

    def test_what_is_no_archive_is_called_by_its_name(self):
        self.fails(1, "inspect", "docker-archive:" + self.path("nothing.tar"), says=["nothing.tar", "No such file"])
        with open(self.archive, "rb") as archive:
            packed = self.workspace.file("packed.tar.gz", gzip.compress(archive.read()))
        self.assertEqual(self.cooper("inspect", "docker-archive:" + packed).out, self.cooper("inspect", "docker-archive:" + self.path("site.tar")).out)
        self.fails(1, "inspect", self.write("other.tar", [("a", b"b")]), says="no manifest.json")
        for text in (b"", b"{}", b"[]", b"[1]", b"[{}]", b'[{"Config":1}]', b'[{"Config":"a","Layers":[1]}]', b'[{"Config":"a","Layers":{}}]'):
            members = [("a", b"{}"), ("manifest.json", text)]
            self.fails(1, "inspect", self.write("bad.tar", members), says="error: ")

    def test_a_cut_archive_is_refused(self):
        with open(self.archive, "rb") as archive:
            whole = archive.read()
        for length in (600, 3000, len(whole) - 4096 - 1024):
            cut = self.workspace.file("cut.tar", whole[:length])
            failed = self.cooper("inspect", "docker-archive:" + cut, expect=None)
            self.assertIn(failed.code, (1, 4), length)


if __name__ == "__main__":
    case.main()
