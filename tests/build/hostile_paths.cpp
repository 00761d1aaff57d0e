#include "build/hostile_layers.hpp"
#include "build/layer_tar.hpp"

namespace cooper::testing {

namespace {

using Tars = std::vector<std::string>;

std::string repeated(std::string_view text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) {
        all += text;
    }
    return all;
}

std::string number(int value) {
    return std::to_string(value);
}

/// link0 -> link1 -> ... -> `end`, then a file through the first.
Tars chain_of_links(int length, const std::string& end) {
    LayerTar layer;
    for (int i = 0; i < length; ++i) {
        layer.symlink("link" + number(i), i + 1 < length ? "link" + number(i + 1) : end);
    }
    return {layer.file("link0/passwd").done()};
}

/// Each of forty links walks a thousand directories up and down before it goes on to the next.
Tars wandering_links() {
    LayerTar layer;
    layer.directory("d");
    for (int i = 0; i < 39; ++i) {
        layer.symlink("w" + number(i), repeated("d/../", 800) + "w" + number(i + 1));
    }
    return {layer.symlink("w39", "d").file("w0/x").done()};
}

/// Below 400 directories a link to the top, and through it 400 more.
Tars depth_through_links() {
    const std::string deep = repeated("a/", 400);
    return {LayerTar()
                .directory(deep)
                .symlink("short", deep)
                .directory("short/" + deep)
                .file("short/" + deep + "file")
                .done()};
}

std::vector<HostileLayers> dots_and_slashes() {
    const auto file_at = [](std::string path) {
        return [path](const Target&) { return Tars{LayerTar().file(path).done()}; };
    };
    return {
        {"parent at the start", Outcome::Harmless, file_at("../canary/passwd")},
        {"parent in the middle", Outcome::Harmless, file_at("a/../../canary/passwd")},
        {"parents behind dots", Outcome::Harmless, file_at("./././../canary/passwd")},
        {"forty parents", Outcome::Harmless, file_at(repeated("../", 40) + "etc/passwd")},
        {"parent at the end", Outcome::Refused, file_at("canary/..")},
        {"parent alone", Outcome::Refused, file_at("..")},
        {"parents alone", Outcome::Refused, file_at("../..")},
        {"parent as a directory", Outcome::Harmless,
         [](const Target&) { return Tars{LayerTar().directory("..", 0777).directory("../../", 0711).done()}; }},
        {"three dots are a name", Outcome::Harmless, file_at(".../x")},
        {"dots and a blank are a name", Outcome::Harmless, file_at(".. /canary/passwd")},
        {"backslashes are no slashes", Outcome::Harmless, file_at("..\\..\\canary\\passwd")},
        {"absolute", Outcome::Harmless,
         [](const Target& target) { return Tars{LayerTar().file(target.canary / "passwd").done()}; }},
        {"absolute behind slashes", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().file("//.//" + (target.canary / "passwd").string()).done()};
         }},
        {"absolute behind a parent", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().file("../" + (target.canary / "passwd").string()).done()};
         }},
        {"slashes only", Outcome::Harmless,
         [](const Target&) { return Tars{LayerTar().directory("////", 0700).done()}; }},
    };
}

std::vector<HostileLayers> symlinks_out() {
    const auto through = [](auto target_of) {
        return [target_of](const Target& target) {
            return Tars{LayerTar().symlink("s", target_of(target)).file("s/passwd").file("s/new").done()};
        };
    };
    return {
        {"through an absolute link", Outcome::Harmless, through([](const Target& t) { return t.canary.string(); })},
        {"through a relative link", Outcome::Harmless, through([](const Target& t) { return t.relative; })},
        {"through a link with a slash", Outcome::Harmless, through([](const Target& t) { return t.relative + "/"; })},
        {"through a link of another layer", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.canary).done(), LayerTar().file("s/passwd").done()};
         }},
        {"through a link to the root's parent", Outcome::Harmless, through([](const Target&) { return ".."; })},
        {"through a link to what is not there", Outcome::Harmless,
         through([](const Target& t) { return (t.canary / "missing/deeper").string(); })},
        {"through a link far below", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("a/b/c/s", "../../../" + target.relative).file("a/b/c/s/passwd").done()};
         }},
        {"through three links", Outcome::Harmless,
         [](const Target& target) { return chain_of_links(3, target.relative); }},
        {"through forty links", Outcome::Harmless,
         [](const Target& target) { return chain_of_links(40, target.relative); }},
        {"through forty-one links", Outcome::Refused,
         [](const Target& target) { return chain_of_links(41, target.relative); }},
        {"through two links in a loop", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().symlink("a", "b").symlink("b", "a").file("a/x").done()}; }},
        {"through a link to itself", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().symlink("a", "a").file("a/x").done()}; }},
        {"through a link to itself, below", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().symlink("a", "a/b").directory("a/b/c").done()}; }},
        {"through links that wander", Outcome::Refused, [](const Target&) { return wandering_links(); }},
        {"a directory through a link", Outcome::Harmless,
         [](const Target& target) {
             return Tars{
                 LayerTar().symlink("s", target.relative).directory("s/dir", 0777).directory("s/.", 0777).done()};
         }},
        {"a link through a link", Outcome::Harmless,
         [](const Target& target) {
             return Tars{
                 LayerTar().symlink("s", target.relative).symlink("s/link", "passwd").symlink("s/dir", "x").done()};
         }},
        {"a fifo through a link", Outcome::Harmless,
         [](const Target& target) { return Tars{LayerTar().symlink("s", target.relative).fifo("s/passwd").done()}; }},
        {"what a link names is replaced, not what it leads to", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.canary / "passwd").file("s", "new", 0777).done()};
         }},
        {"the same in the next layer", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", target.canary / "passwd").done(), LayerTar().file("s").done()};
         }},
    };
}

std::vector<HostileLayers> magic_and_depth() {
    return {
        {"through a process's own root", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("s", "/proc/self/root" + target.canary.string()).file("s/passwd").done()};
         }},
        {"through a process's directory", Outcome::Harmless,
         [](const Target&) { return Tars{LayerTar().symlink("s", "/proc/self/cwd").file("s/x").done()}; }},
        {"through a process's descriptors", Outcome::Harmless,
         [](const Target&) {
             LayerTar layer;
             for (int i = 0; i < 20; ++i) {
                 layer.symlink("s" + number(i), "/proc/self/fd/" + number(i)).file("s" + number(i) + "/passwd");
             }
             return Tars{layer.done()};
         }},
        {"a device directory of its own", Outcome::Harmless,
         [](const Target&) {
             return Tars{LayerTar().symlink("s", "/dev/fd/3").file("s/x").file("dev/fd/3/y").done()};
         }},
        {"ten thousand levels", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().file(repeated("a/", 10'000) + "x").done()}; }},
        {"six hundred levels", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().file(repeated("a/", 600) + "x").done()}; }},
        {"five hundred levels", Outcome::Harmless,
         [](const Target&) { return Tars{LayerTar().file(repeated("a/", 500) + "x").done()}; }},
        {"eight hundred levels, by a link", Outcome::Refused, [](const Target&) { return depth_through_links(); }},
        {"a name of 300 bytes", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().file(std::string(300, 'n')).done()}; }},
        {"a directory's name of 300 bytes", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().file(std::string(300, 'n') + "/x").done()}; }},
        {"a target of 5,000 bytes", Outcome::Refused,
         [](const Target&) { return Tars{LayerTar().symlink("s", std::string(5000, 't')).done()}; }},
        {"names that differ by case", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("S", target.relative).directory("s").file("s/passwd").file("S/new").done()};
         }},
        {"names that differ by normal form", Outcome::Harmless,
         [](const Target& target) {
             return Tars{LayerTar().symlink("\xc3\xa9", target.relative).file("e\xcc\x81/passwd").done()};
         }},
        {"names that are no text", Outcome::Harmless,
         [](const Target&) { return Tars{LayerTar().file("\xff\xfe\x1b[2J\n").symlink("\x01", "\x02\xff").done()}; }},
    };
}

}  // namespace

std::vector<HostileLayers> layers_with_hostile_paths() {
    auto all = dots_and_slashes();
    for (const auto& part : {symlinks_out(), magic_and_depth()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace cooper::testing
