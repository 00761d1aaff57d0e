// What names a selection, and what does not.
#include "build/copy_support.hpp"

#include <functional>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

void fill(const Tree& tree) {
    tree.file("d/a", "A");
    tree.file("d/b", "B");
    tree.directory("d/s");
    tree.symlink("d/l", "a");
    tree.file("d/s/c", "C");
    tree.set_all_times(kCopyEpoch + 100);
}

Digest digest_of(const Tree& tree, const std::string& words = "d /x") {
    return CopySelection::choose(instruction(words), context_of(tree), Run()).digest();
}

struct Change {
    const char* what;
    std::function<void(const Tree&)> make;
};

}  // namespace

TEST_CASE("copy: the digest names all that gets into the image", "[unit][build][copy]") {
    const Change changes[] = {
        {"content", [](const Tree& tree) { tree.file("d/a", "Z"); }},
        {"size", [](const Tree& tree) { tree.file("d/a", "AA"); }},
        {"name", [](const Tree& tree) { std::filesystem::rename(tree.path("d/a"), tree.path("d/z")); }},
        {"mode", [](const Tree& tree) { chmod(tree.path("d/a").c_str(), 0600); }},
        {"setuid", [](const Tree& tree) { chmod(tree.path("d/a").c_str(), 04644); }},
        {"mode of a directory", [](const Tree& tree) { chmod(tree.path("d/s").c_str(), 0700); }},
        {"a new file", [](const Tree& tree) { tree.file("d/n", ""); }},
        {"a new directory", [](const Tree& tree) { tree.directory("d/n"); }},
        {"a file less", [](const Tree& tree) { std::filesystem::remove(tree.path("d/b")); }},
        {"the target of a link",
         [](const Tree& tree) {
             std::filesystem::remove(tree.path("d/l"));
             tree.symlink("d/l", "b");
         }},
        {"a link becomes a file",
         [](const Tree& tree) {
             std::filesystem::remove(tree.path("d/l"));
             tree.file("d/l", "a");
         }},
        {"a hard link",
         [](const Tree& tree) {
             tree.file("d/b", "A");
             std::filesystem::remove(tree.path("d/a"));
             tree.hard_link("d/a", "d/b");
         }},
        {"contents swapped",
         [](const Tree& tree) {
             tree.file("d/a", "B");
             tree.file("d/b", "A");
         }},
        {"a time before the epoch", [](const Tree& tree) { tree.set_time("d/a", kCopyEpoch - 1); }},
        {"a directory's time before the epoch", [](const Tree& tree) { tree.set_time("d/s", kCopyEpoch - 1); }},
    };
    std::vector<std::string> seen;
    const auto check = [&](const Tree& tree, const char* what) {
        INFO(what);
        const std::string digest = digest_of(tree).text();
        CHECK(std::find(seen.begin(), seen.end(), digest) == seen.end());
        seen.push_back(digest);
    };
    const Tree first;
    fill(first);
    check(first, "nothing");
    for (const Change& change : changes) {
        const Tree tree;
        fill(tree);
        change.make(tree);
        if (std::string_view(change.what).find("time") == std::string_view::npos) {
            tree.set_all_times(kCopyEpoch + 100);
        }
        check(tree, change.what);
    }
}

TEST_CASE("copy: the digest names nothing else", "[unit][build][copy]") {
    const Tree tree;
    fill(tree);
    const Digest digest = digest_of(tree);

    const Tree other;  // made in another order, elsewhere
    other.file("d/s/c", "C");
    other.symlink("d/l", "a");
    other.file("d/b", "B");
    other.file("d/a", "A");
    other.set_all_times(kCopyEpoch + 1);
    CHECK(digest_of(other) == digest);

    tree.set_all_times(kCopyEpoch + 12345);
    chmod(tree.path("d").c_str(), 0700);  // of the top directory only the contents are copied
    tree.file("beside", "");
    CHECK(digest_of(tree) == digest);
    for (const char* words : {"d/ /x", "./d /x", "/d/. /x", "../d /elsewhere/", "--chmod=700 d /x", "[d] /x"}) {
        INFO(words);
        CHECK(digest_of(tree, words) == digest);
    }
    chown(tree.path("d/a").c_str(), 5, 5);  // as root; an ordinary user changes nothing
    chmod(tree.path("d/a").c_str(), 0644);
    CHECK(digest_of(tree) == digest);
}

TEST_CASE("copy: sources in another order, and other names of files, are another selection", "[unit][build][copy]") {
    const Tree tree;
    fill(tree);
    CHECK(digest_of(tree, "d/a d/b /x/") != digest_of(tree, "d/b d/a /x/"));
    CHECK(digest_of(tree, "d/a /x/") != digest_of(tree, "d/b /x/"));
    CHECK(digest_of(tree, "--exclude=s d /x/") != digest_of(tree, "d /x/"));
    CHECK(digest_of(tree, "--parents d /x/") != digest_of(tree, "d /x/"));
}

TEST_CASE("copy: owners and devices count in stages alone", "[unit][build][copy]") {
    PlainRoot stage;
    fill(stage.tree);
    const auto digest = [&] {
        CopyInputs inputs;
        inputs.root = stage.path();
        inputs.tree = &stage;
        inputs.epoch = kCopyEpoch;
        return CopySelection::choose(instruction("d /x"), inputs, Run()).digest();
    };
    const Digest before = digest();
    stage.set_owner("/d/s", 0, 7);
    CHECK(digest() != before);
}

TEST_CASE("copy: digests of files are remembered by what stat says", "[unit][build][copy]") {
    const Tree tree;
    const TempDirectory memory;
    fill(tree);
    auto inputs = context_of(tree);
    inputs.hash_memory = memory.path();
    const auto digest = [&] { return CopySelection::choose(instruction("d d/a /x/"), inputs, Run()).digest(); };
    const Digest first = digest();
    CHECK(digest() == first);
    tree.file("d/a", "Z");
    CHECK(digest() != first);
}

TEST_CASE("copy: files and bytes are counted", "[unit][build][copy]") {
    const Tree tree;
    fill(tree);
    tree.hard_link("d/h", "d/a");
    const auto selection = CopySelection::choose(instruction("d /x"), context_of(tree), Run());
    CHECK(selection.files() == 4);
    CHECK(selection.bytes() == 3);
}
