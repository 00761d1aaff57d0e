#include "build/hostile_layers.hpp"
#include "build/layer_tar.hpp"

namespace cooper::testing {

namespace {

using Tars = std::vector<std::string>;

/// One layer that needs nothing of the target.
auto one(const LayerTar& layer) {
    return [tar = layer.done()](const Target&) { return Tars{tar}; };
}

TarEntry root_as(TarType type, const std::string& path, const std::string& link = "") {
    TarEntry entry = LayerTar::make(type, path, 0777);
    entry.link = link;
    return entry;
}

std::vector<HostileLayers> roots() {
    // umoci CVE-2021-29136: the root becomes a link, and all that follows goes through it.
    const auto link_at = [](std::string path) {
        return [path](const Target& target) {
            return Tars{LayerTar().symlink(path, target.canary).file("passwd").done()};
        };
    };
    return {
        {"the root as a link: .", Outcome::Refused, link_at(".")},
        {"the root as a link: /.", Outcome::Refused, link_at("/.")},
        {"the root as a link: ./", Outcome::Refused, link_at("./")},
        {"the root as a link: /", Outcome::Refused, link_at("/")},
        {"the root as a link: a/..", Outcome::Refused, link_at("a/..")},
        {"the root as a file", Outcome::Refused, one(LayerTar().file("."))},
        {"the root as a hard link", Outcome::Refused,
         one(LayerTar().file("f").add(root_as(TarType::HardLink, ".", "f")))},
        {"the root as a fifo", Outcome::Refused, one(LayerTar().fifo("/"))},
        {"the root as a device", Outcome::Refused, one(LayerTar().node(TarType::CharDevice, ".", 0, 0))},
        {"the root without rights", Outcome::Harmless, one(LayerTar().directory("./", 0).file("d/x"))},
    };
}

std::vector<HostileLayers> hard_links() {
    const auto link_to = [](auto target_of) {
        return [target_of](const Target& target) {
            return Tars{LayerTar().hard_link("h", target_of(target)).file("h", "overwritten").done()};
        };
    };
    return {
        {"a hard link to an absolute path", Outcome::Refused,
         link_to([](const Target& t) { return (t.canary / "passwd").string(); })},
        {"a hard link to a relative path", Outcome::Refused,
         link_to([](const Target& t) { return t.relative + "/passwd"; })},
        {"a hard link to what is not there", Outcome::Refused, link_to([](const Target&) { return "missing"; })},
        {"a hard link to the root", Outcome::Refused, link_to([](const Target&) { return "/"; })},
        {"a hard link to the root's parent", Outcome::Refused, link_to([](const Target&) { return ".."; })},
        {"a hard link to a process's file", Outcome::Refused, link_to([](const Target&) { return "/proc/self/exe"; })},
        {"a hard link through a link", Outcome::Refused,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.canary).hard_link("h", "s/passwd").done()};
         }},
        {"a hard link to a link, then written", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.canary / "passwd").hard_link("h", "s", 0777).file("h").done()};
         }},
        {"a hard link to a link, then walked through", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.canary).hard_link("h", "s", 04777).file("h/passwd").done()};
         }},
        {"a hard link to a directory", Outcome::Refused, one(LayerTar().directory("d").hard_link("h", "d"))},
        {"a hard link to a fifo", Outcome::Refused, one(LayerTar().fifo("p").hard_link("h", "p"))},
        {"a hard link to itself", Outcome::Refused, one(LayerTar().file("f").hard_link("f", "f"))},
        {"a hard link to itself by another name", Outcome::Refused,
         one(LayerTar().directory("d").symlink("s", "d").file("d/f").hard_link("d/f", "s/f"))},
        {"a hard link over what holds its target", Outcome::Refused, one(LayerTar().file("d/f").hard_link("d", "d/f"))},
        {"a hard link to what the next layer replaces", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().file("f").hard_link("h", "f").done(),
                         LayerTar().symlink("f", target.canary / "passwd").file("f").done()};
         }},
    };
}

/// Modes, times, owners and attributes must land on what was made, not on what has taken its place.
std::vector<HostileLayers> late_metadata() {
    return {
        {"a directory becomes a link before its time is set", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().directory("d", 0777).file("d/x").symlink("d", target.canary / "dir").done()};
         }},
        {"a closed directory becomes a link before its mode is set", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().directory("d", 0).symlink("d", target.canary / "dir").done()};
         }},
        {"a closed directory's parent becomes a link", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().directory("d").directory("d/dir", 0).symlink("d", target.canary).done()};
         }},
        {"a closed directory becomes a link in the next layer", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().directory("d").directory("d/dir", 0).file("d/dir/file").done(),
                         LayerTar().symlink("d", target.canary).file("d/dir/file").done()};
         }},
        {"an open directory becomes a link between two files", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().file("d/one").symlink("d", target.relative).file("d/passwd").done()};
         }},
        {"an open directory's parent becomes a link", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().file("d/dir/one").symlink("d", target.relative).file("d/dir/file").done()};
         }},
        {"an open directory is hidden, then a link", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().file("d/one").done(), LayerTar().file(".wh.d").symlink("d", target.relative).done(),
                         LayerTar().file("d/passwd").file("d/.wh.dir").done()};
         }},
        {"a directory takes a link's place, with all rights", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.canary).directory("s", 0777).directory("s/dir", 0777).done()};
         }},
        {"a link with setuid", Outcome::Harmless,
         [](const Target& target) {
             TarEntry entry = root_as(TarType::Symlink, "s", target.canary / "passwd");
             entry.mode = 06777;
             return Tars{LayerTar().add(entry).done()};
         }},
        {"attributes on a link", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar()
                             .symlink("s", target.canary / "passwd",
                                      {{"user.x", "1"}, {"trusted.x", "1"}, {"system.posix_acl_access", "2"}})
                             .done()};
         }},
        {"attributes of overlay mounts", Outcome::Harmless,
         one(LayerTar().directory("d", 0755, {{"trusted.overlay.redirect", "/etc"}, {"user.overlay.opaque", "y"}}))},
        {"attributes of this system", Outcome::Harmless,
         one(LayerTar().file("f", "x", 0755,
                             {{"security.selinux", "system_u:object_r:x:s0"}, {"security.ima", "x"}, {"odd", "x"}}))},
        {"a capability that is none", Outcome::Harmless,
         one(LayerTar().file("f", "x", 0755, {{"security.capability", "no capability"}}))},
        {"an access list that is none", Outcome::Harmless,
         one(LayerTar().file("f", "x", 0755, {{"system.posix_acl_access", "no list"}}))},
        {"an attribute of 60,000 bytes", Outcome::Harmless,
         one(LayerTar().file("f", "x", 0755, {{"user.large", std::string(60'000, 'x')}}))},
        {"setuid and setgid", Outcome::Harmless,
         one(LayerTar().file("f", "x", 06777).directory("d", 07777).file("d/f"))},
    };
}

std::vector<HostileLayers> whiteouts() {
    const auto above = [](std::string hidden_by) {
        return [hidden_by](const Target& target) {
            return Tars{LayerTar().symlink("s", target.relative).directory("d").file("d/x").done(),
                        LayerTar().file(hidden_by, "").done()};
        };
    };
    return {
        {"a whiteout of the parent", Outcome::Refused, above(".wh...")},
        {"a whiteout of the parent, below", Outcome::Refused, above("d/.wh...")},
        {"a whiteout of its own directory", Outcome::Refused, above("d/.wh..")},
        {"a whiteout of nothing", Outcome::Refused, above("d/.wh.")},
        {"a whiteout through parents", Outcome::Harmless, above("../canary/.wh.passwd")},
        {"a whiteout through a link", Outcome::Harmless, above("s/.wh.passwd")},
        {"a whiteout of a link", Outcome::Harmless, above(".wh.s")},
        {"an opaque directory through a link", Outcome::Harmless, above("s/.wh..wh..opq")},
        {"an opaque root", Outcome::Harmless, above(".wh..wh..opq")},
        {"an opaque root's parent", Outcome::Harmless, above("../.wh..wh..opq")},
        {"an entry in a whiteout", Outcome::Refused, above(".wh.s/passwd")},
        {"an entry in a whiteout of the parent", Outcome::Refused, above(".wh.../passwd")},
        {"bookkeeping of aufs", Outcome::Harmless, above(".wh..wh.plnk/1.2")},
        {"bookkeeping of aufs with dots", Outcome::Harmless, above(".wh..wh...")},
        {"a whiteout through a loop", Outcome::Refused,
         [](const Target&) {
             return Tars{LayerTar().symlink("a", "a").done(), LayerTar().file("a/.wh.x", "").done()};
         }},
        {"a whiteout through a file", Outcome::Harmless, above("d/x/.wh.y")},
        {"a whiteout of overlay mounts through a link", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.relative).done(),
                         LayerTar().node(TarType::CharDevice, "s/passwd").node(TarType::CharDevice, "s/dir").done()};
         }},
        {"a hidden directory that holds links out", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar()
                             .symlink("d/s", target.canary)
                             .symlink("d/e/s", target.canary / "dir")
                             .hard_link("d/h", "d/s")
                             .done(),
                         LayerTar().file(".wh.d", "").done()};
         }},
        {"a replaced directory that holds links out", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("d/s", target.canary).directory("d/e", 0).file("d", "new").done()};
         }},
        {"a link made opaque by its own layer", Outcome::Harmless,
         [](const Target& target) {
             return Tars{
                 LayerTar().file("x").done(),
                 LayerTar().symlink("s", target.relative).file("s/.wh..wh..opq", "").file("s/.wh.dir", "").done()};
         }},
    };
}

std::vector<HostileLayers> types() {
    return {
        {"a disk", Outcome::Harmless, one(LayerTar().node(TarType::BlockDevice, "disk", 8, 0))},
        {"a disk, then a file in its place", Outcome::Harmless,
         one(LayerTar().node(TarType::BlockDevice, "disk", 8, 0).file("disk", "overwritten"))},
        {"a device in the place of a file", Outcome::Harmless,
         one(LayerTar().file("f").node(TarType::CharDevice, "f", 1, 3))},
        {"a hard link to a device", Outcome::Refused,
         one(LayerTar().node(TarType::CharDevice, "n", 1, 5).hard_link("h", "n"))},
        {"a device with a number over 32 bits", Outcome::Either,
         one(LayerTar().node(TarType::BlockDevice, "n", 2'097'151, 2'097'151))},
        {"a fifo, then a file in its place", Outcome::Harmless, one(LayerTar().fifo("p").file("p"))},
        {"a file below a fifo", Outcome::Refused, one(LayerTar().fifo("p").file("p/x"))},
        {"a file below a file", Outcome::Refused, one(LayerTar().file("f").file("f/x"))},
        {"a file below a link to a file", Outcome::Refused,
         [](const Target& target) {
             return Tars{
                 LayerTar().file("f").symlink("s", "f").symlink("t", target.canary / "passwd").file("s/x").done()};
         }},
        {"one path as everything in turn", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar()
                             .file("p")
                             .directory("p", 0)
                             .file("p/x")
                             .symlink("p", target.canary)
                             .file("p/passwd")
                             .directory("p")
                             .fifo("p/passwd")
                             .file("p")
                             .done()};
         }},
        {"a thousand links to one file", Outcome::Harmless,
         [](const Target&) {
             LayerTar layer;
             layer.file("f");
             for (int i = 0; i < 1000; ++i) {
                 layer.hard_link("h" + std::to_string(i), "f");
             }
             return Tars{layer.done()};
         }},
    };
}

}  // namespace

std::vector<HostileLayers> layers_with_hostile_entries() {
    auto all = roots();
    for (const auto& part : {hard_links(), late_metadata(), whiteouts(), types()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace cooper::testing
