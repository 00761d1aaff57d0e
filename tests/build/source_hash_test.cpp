// The Dirhash compatible source hash: what goes into it. What stops it is in source_hash_error_test.cpp, the original's
// own answers in vectors/source_hash_vectors.cpp.
#include "build/source_hash_support.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <algorithm>
#include <utility>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;
using Catch::Matchers::Contains;

namespace {

const std::string kEnd(1, '\0');       // of a property
const std::string kEntryEnd(2, '\0');  // of an entry

std::string directory_entry(const std::string& descriptor, const std::string& name) {
    return "dirhash:" + md5(descriptor) + kEnd + "name:" + name;
}

/// Descriptors by path, in the order in which they came.
std::vector<std::pair<std::string, std::string>> descriptors(const Tree& tree, const SourceHashOptions& options = {}) {
    std::vector<std::pair<std::string, std::string>> seen;
    hash_source(tree.path(), options, Run{}, [&](auto path, auto text) { seen.emplace_back(path, text); });
    return seen;
}

}  // namespace

TEST_CASE("source hash: a directory is the hash of its entries, sorted as text", "[unit][build]") {
    const Tree tree;
    tree.file("b", "1");
    tree.file("a", "1");
    tree.file("d/z", "2");
    const std::string d = file_entry("2", "z");
    Texts entries = {file_entry("1", "a"), file_entry("1", "b"), directory_entry(d, "d")};
    std::sort(entries.begin(), entries.end());
    const std::string root = entries[0] + kEntryEnd + entries[1] + kEntryEnd + entries[2];

    CHECK(hash(tree.path()).digest == md5(root));
    CHECK(descriptors(tree) == std::vector<std::pair<std::string, std::string>>{{"d", d}, {"", root}});
}

TEST_CASE("source hash: the files that went in are told by path", "[unit][build]") {
    const Tree tree;
    tree.file("d/file", "content");
    tree.file("zero", "");
    tree.symlink("link", "d/file");
    const SourceHash result = hash(tree.path());
    REQUIRE(result.entries.size() == 3);
    CHECK(result.entries[0].path == "d/file");
    CHECK(result.entries[0].digest == md5("content"));
    CHECK(result.entries[0].size == 7);
    CHECK_FALSE(result.entries[0].is_link);
    CHECK(result.entries[1].path == "link");
    CHECK(result.entries[1].digest == md5("content"));
    CHECK(result.entries[1].size == 7);
    CHECK(result.entries[1].is_link);
    CHECK(result.entries[2].path == "zero");
    CHECK(result.entries[2].size == 0);
    CHECK(result.files_read == 3);
    CHECK(listed(tree) == Texts{"d/file", "link", "zero"});
}

TEST_CASE("source hash: modes, times, owners and the root's name do not matter", "[unit][build]") {
    const Tree one;
    one.file("a/b", "same", 0755);
    const Tree other;
    other.file("sub/a/b", "same", 0600);
    other.set_time("sub/a/b", 12345);
    REQUIRE(chmod(other.path("sub/a").c_str(), 0700) == 0);
    REQUIRE(chown(other.path("sub/a/b").c_str(), 1234, 1234) == (geteuid() == 0 ? 0 : -1));
    CHECK(hash(one.path()).digest == hash(other.path("sub")).digest);
    CHECK(hash(one.path()).digest == hash(other.path("sub/")).digest);
}

TEST_CASE("source hash: properties choose what an entry says", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    tree.symlink("l", "f");
    SourceHashOptions options;
    SECTION("name") {
        options.entry_properties = {"name"};
        CHECK(descriptors(tree, options).back().second == "name:f" + kEntryEnd + "name:l");
    }
    SECTION("data") {
        options.entry_properties = {"data"};
        CHECK(descriptors(tree, options).back().second == "data:" + md5("1") + kEntryEnd + "data:" + md5("1"));
    }
    SECTION("is_link as the Standard writes it") {
        options.entry_properties = {"is_link", "name"};
        CHECK(descriptors(tree, options).back().second ==
              "is_link:false" + kEnd + "name:f" + kEntryEnd + "is_link:true" + kEnd + "name:l");
    }
}

TEST_CASE("source hash: every algorithm of the Standard", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    for (const auto algorithm : {HashAlgorithm::Md5, HashAlgorithm::Sha1, HashAlgorithm::Sha224, HashAlgorithm::Sha256,
                                 HashAlgorithm::Sha384, HashAlgorithm::Sha512}) {
        SourceHashOptions options;
        options.algorithm = to_string(algorithm);
        CHECK(hash(tree.path(), options).digest ==
              hex_digest(algorithm, "data:" + hex_digest(algorithm, "1") + kEnd + "name:f"));
    }
}

TEST_CASE("source hash: a directory without content is left out unless it is asked for", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    tree.file("only/x.pyc", "1");
    tree.directory("empty/below");
    SourceHashOptions options = with_ignore({"*.pyc"});
    CHECK(hash(tree.path(), options).digest == md5(file_entry("1", "f")));
    options.empty_dirs = true;
    CHECK(listed(tree, options) == Texts{"empty/below/.", "f", "only/."});
    CHECK(descriptors(tree, options).size() == 4);
}

TEST_CASE("source hash: an empty root hashes the empty text if empty directories count", "[unit][build]") {
    const Tree tree;
    SourceHashOptions options;
    CHECK(refusal(tree.path()).kind == Kind::NothingToHash);
    CHECK_THAT(refusal(tree.path()).text, Contains(tree.path().native()));
    CHECK(listed(tree).empty());
    options.empty_dirs = true;
    CHECK(hash(tree.path(), options).digest == md5(""));
    CHECK(listed(tree, options) == Texts{"."});
}

TEST_CASE("source hash: patterns see files by the names on the way, links included", "[unit][build]") {
    const Tree tree;
    tree.file(".hid/f", "1");
    tree.symlink("seen", ".hid");
    tree.symlink(".not", ".hid");
    CHECK(listed(tree, with_ignore({".*/"})) == Texts{"seen/f"});
}

TEST_CASE("source hash: what is neither file nor directory is passed over", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    tree.symlink("broken", "nowhere");
    REQUIRE(mkfifo(tree.path("fifo").c_str(), 0600) == 0);
    tree.symlink("to-fifo", "fifo");
    tree.symlink("to-device", "/dev/null");
    CHECK(listed(tree) == Texts{"f"});
    CHECK(hash(tree.path()).digest == md5(file_entry("1", "f")));
}

TEST_CASE("source hash: links to files and to directories can be left out", "[unit][build]") {
    const Tree tree;
    tree.file("d/f", "1");
    tree.symlink("file", "d/f");
    tree.symlink("dir", "d");
    SourceHashOptions options;
    CHECK(listed(tree, options) == Texts{"d/f", "dir/f", "file"});
    options.linked_dirs = false;
    CHECK(listed(tree, options) == Texts{"d/f", "file"});
    options.linked_files = false;
    CHECK(listed(tree, options) == Texts{"d/f"});
    options.linked_dirs = true;
    CHECK(listed(tree, options) == Texts{"d/f", "dir/f"});
}

TEST_CASE("source hash: any number of threads gives the same", "[unit][build]") {
    const Tree tree;
    for (int i = 0; i < 200; ++i) {
        tree.file("d" + std::to_string(i % 7) + "/" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'x'));
    }
    SourceHashOptions one;
    one.threads = 1;
    SourceHashOptions many;
    many.threads = 8;
    CHECK(hash(tree.path(), one).digest == hash(tree.path(), many).digest);
}

TEST_CASE("source hash: what was hashed before need not be hashed again", "[unit][build]") {
    const Tree tree;
    const Tree cache;
    tree.file("f", "1");
    tree.file("d/g", "2");
    SourceHashOptions options;
    options.cache_directory = cache.path();
    const SourceHash first = hash(tree.path(), options);
    const SourceHash second = hash(tree.path(), options);
    CHECK(first.digest == hash(tree.path()).digest);
    CHECK(second.digest == first.digest);
    tree.file("f", "3");
    CHECK(hash(tree.path(), options).digest == hash(tree.path()).digest);
}

TEST_CASE("source hash: a link that leads back is an error that names both ends", "[unit][build]") {
    const Tree tree;
    tree.file("A/f", "1");
    tree.symlink("A/B/up", "..");
    const auto refused = refusal(tree.path());
    CHECK(refused.kind == Kind::SymlinkRecursion);
    CHECK(refused.code == ErrorCode::InvalidInput);
    CHECK_THAT(refused.text, Contains(tree.path("A/B/up").native() + "'") && Contains(tree.path("A").native() + "'"));
    CHECK_FALSE(refused.advice.empty());
    SECTION("also where it is ignored") {
        CHECK(refusal(tree.path(), with_ignore({"A/"})).kind == Kind::SymlinkRecursion);
    }
    SECTION("not where links to directories are left out") {
        SourceHashOptions options;
        options.linked_dirs = false;
        CHECK(listed(tree, options) == Texts{"A/f"});
    }
}

TEST_CASE("source hash: an allowed link that leads back hashes the way up", "[unit][build]") {
    const Tree tree;
    tree.symlink("A/B/up", "..");
    tree.symlink("A/B/self", ".");
    SourceHashOptions options;
    options.allow_cyclic_links = true;
    const auto seen = descriptors(tree, options);
    REQUIRE(seen.size() == 5);
    CHECK(seen[0] == std::pair("A/B/up"s, "../.."s));
    CHECK(seen[1] == std::pair("A/B/self"s, ".."s));
    CHECK(seen[2].first == "A/B");
    CHECK(listed(tree, options) == Texts{"A/B/self/.", "A/B/up/."});
}

TEST_CASE("source hash: a directory that a link leads into from above is no answer", "[unit][build]") {
    const Tree tree;
    tree.file("root/a/f", "1");
    tree.symlink("root/up", "..");
    SourceHashOptions options;
    options.allow_cyclic_links = true;
    const auto refused = refusal(tree.path("root"), options);
    CHECK(refused.kind == Kind::DirectoryEnteredTwice);
    CHECK_THAT(refused.text, Contains(tree.path("root/up/root").native()));
    CHECK(refusal(tree.path("root")).kind == Kind::SymlinkRecursion);
}

TEST_CASE("source hash: one directory reached on several ways without a cycle is hashed each time", "[unit][build]") {
    const Tree tree;
    tree.file("out/f", "1");
    tree.symlink("root/one", "../out");
    tree.symlink("root/two", "one");
    CHECK(list_source(tree.path("root"), {}, Run{}) == Texts{"one/f", "two/f"});
}

TEST_CASE("source hash: a root that is a link counts as one that leads back", "[unit][build]") {
    const Tree tree;
    tree.file("real/f", "1");
    tree.symlink("root", "real");
    SourceHashOptions options;
    CHECK(refusal(tree.path("root")).kind == Kind::SymlinkRecursion);
    CHECK(hash(tree.path("root/")).digest == hash(tree.path("real")).digest);
    options.allow_cyclic_links = true;
    CHECK(hash(tree.path("root"), options).digest == md5("."));
    options.resolve_root = true;
    CHECK(hash(tree.path("root"), options).digest == hash(tree.path("real")).digest);
}
