// The Dirhash compatible source hash: what goes into it and what stops it. The original's own answers are in
// vectors/source_hash_vectors.cpp.
#include "cooper/build/source_hash.hpp"

#include "base/message_digest.hpp"
#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <stop_token>
#include <thread>
#include <utility>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;
using Catch::Matchers::Contains;

namespace {

using Kind = SourceHashError::Kind;
using Texts = std::vector<std::string>;

const std::string kEnd(1, '\0');       // of a property
const std::string kEntryEnd(2, '\0');  // of an entry

std::string md5(std::string_view text) {
    return hex_digest(HashAlgorithm::Md5, text);
}

std::string file_entry(const std::string& content, const std::string& name) {
    return "data:" + md5(content) + kEnd + "name:" + name;
}

std::string directory_entry(const std::string& descriptor, const std::string& name) {
    return "dirhash:" + md5(descriptor) + kEnd + "name:" + name;
}

SourceHash hash(const std::filesystem::path& root, const SourceHashOptions& options = {}) {
    return hash_source(root, options, Run{});
}

/// Descriptors by path, in the order in which they came.
std::vector<std::pair<std::string, std::string>> descriptors(const Tree& tree, const SourceHashOptions& options = {}) {
    std::vector<std::pair<std::string, std::string>> seen;
    hash_source(tree.path(), options, Run{}, [&](auto path, auto text) { seen.emplace_back(path, text); });
    return seen;
}

Texts listed(const Tree& tree, const SourceHashOptions& options = {}) {
    return list_source(tree.path(), options, Run{});
}

struct Refusal {
    Kind kind;
    ErrorCode code;
    std::string text;
    std::string advice;
};

Refusal refusal(const std::filesystem::path& root, const SourceHashOptions& options = {}) {
    try {
        hash(root, options);
    } catch (const SourceHashError& error) {
        return {error.kind(), error.code(), error.what(), error.advice()};
    }
    throw std::logic_error("no SourceHashError");
}

struct SystemRefusal {
    int number = 0;
    std::string text;
    std::string advice;
};

template <class F>
SystemRefusal system_refusal(F&& body) {
    try {
        body();
        return {};
    } catch (const SystemError& error) {
        return {error.error_number(), error.what(), error.advice()};
    }
}

/// Root may read everything: here this process is nobody until the end of the scope.
class AsNobody {
public:
    AsNobody() : user_(geteuid()) { REQUIRE(seteuid(kNobody) == 0); }
    AsNobody(const AsNobody&) = delete;
    AsNobody& operator=(const AsNobody&) = delete;
    ~AsNobody() {
        if (seteuid(user_) != 0) {
            std::terminate();
        }
    }

private:
    static constexpr uid_t kNobody = 65534;
    uid_t user_;
};

/// nobody must get to the tree; its own modes then decide.
void open_to_all(const Tree& tree) {
    REQUIRE(chmod(tree.path().c_str(), 0755) == 0);
}

class FewDescriptors {
public:
    explicit FewDescriptors(rlim_t limit) {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit few{limit, before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

SourceHashOptions with_ignore(Texts ignore) {
    SourceHashOptions options;
    options.ignore = std::move(ignore);
    return options;
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

TEST_CASE("source hash: links that cannot be followed are errors even where they are ignored", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    SECTION("to itself") {
        tree.symlink("loop", "loop");
        const auto refused = system_refusal([&] { hash(tree.path(), with_ignore({"loop"})); });
        CHECK(refused.number == ELOOP);
        CHECK_THAT(refused.text, Contains(tree.path("loop").native()));
        CHECK_THAT(refused.advice, Contains("40 links"));
    }
    SECTION("below a file") {
        tree.symlink("below", "f/x");
        CHECK(system_refusal([&] { hash(tree.path(), with_ignore({"below"})); }).number == ENOTDIR);
    }
}

TEST_CASE("source hash: more than 40 links on one way are an error as for the original", "[unit][build]") {
    const Tree tree;
    constexpr int kLinks = 41;
    for (int i = 0; i < kLinks; ++i) {
        tree.symlink("t" + std::to_string(i) + "/l", "../t" + std::to_string(i + 1));
    }
    tree.file("t" + std::to_string(kLinks) + "/f", "1");
    CHECK(system_refusal([&] { hash(tree.path("t0")); }).number == ELOOP);
    CHECK(hash(tree.path("t1")).entries.size() == 1);
}

TEST_CASE("source hash: what is wrong is told in the original's order", "[unit][build]") {
    SourceHashOptions options;
    options.match = {"[z-a]"};
    options.entry_properties = {"mtime"};
    options.algorithm = "crc32";
    const std::filesystem::path root = "/nowhere/to/be/found";
    CHECK(refusal(root, options).kind == Kind::InvalidPattern);
    CHECK_THAT(refusal(root, options).text, Contains("[z-a]"));
    options.match = {"*"};
    CHECK(refusal(root, options).kind == Kind::InvalidEntryProperties);
    CHECK_THAT(refusal(root, options).text, Contains("'mtime'"));
    options.entry_properties = {"is_link"};
    CHECK(refusal(root, options).kind == Kind::InvalidEntryProperties);
    options.entry_properties = {"name"};
    CHECK(refusal(root, options).kind == Kind::UnknownAlgorithm);
    CHECK_THAT(refusal(root, options).text, Contains("'crc32'") && Contains("sha512"));
    options.algorithm = "md5";
    CHECK(refusal(root, options).kind == Kind::NoSuchDirectory);
    CHECK(refusal(root, options).code == ErrorCode::NotFound);
}

TEST_CASE("source hash: a root must be a directory that can be reached", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    tree.symlink("loop", "loop");
    CHECK(refusal(tree.path("f")).kind == Kind::NotADirectory);
    CHECK_THAT(refusal(tree.path("none")).text, Contains(tree.path("none").native()));
    CHECK(refusal(tree.path("none")).kind == Kind::NoSuchDirectory);
    CHECK(refusal(tree.path("f/x")).kind == Kind::NoSuchDirectory);
    CHECK(refusal(tree.path("loop")).kind == Kind::NoSuchDirectory);
    CHECK(refusal("").kind == Kind::NoSuchDirectory);
    CHECK(refusal(tree.path().native() + "\0/x"s).kind == Kind::NoSuchDirectory);
}

TEST_CASE("source hash: which errors the original raises as ValueError", "[unit][build]") {
    const auto is_value_error = [](Kind kind) {
        return SourceHashError(kind, ErrorCode::InvalidInput, "").is_value_error();
    };
    CHECK(is_value_error(Kind::NothingToHash));
    CHECK(is_value_error(Kind::NameNotUtf8));
    CHECK(is_value_error(Kind::NoSuchDirectory));
    CHECK_FALSE(is_value_error(Kind::SymlinkRecursion));
    CHECK_FALSE(is_value_error(Kind::DirectoryEnteredTwice));
}

TEST_CASE("source hash: a name that is not UTF-8 has no hash unless it is left out", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    SECTION("of a file") {
        tree.file("bad\xff/x\xff", "1");
        const auto refused = refusal(tree.path());
        CHECK(refused.kind == Kind::NameNotUtf8);
        CHECK_THAT(refused.text, Contains(tree.path("bad?").native()));
        CHECK(listed(tree) == Texts{"bad\xff/x\xff", "f"});
        CHECK(hash(tree.path(), with_ignore({"bad?/"})).digest == md5(file_entry("1", "f")));
        SourceHashOptions options;
        options.entry_properties = {"data"};
        CHECK(hash(tree.path(), options).entries.size() == 2);
    }
    SECTION("of a directory that is empty") {
        tree.directory("bad\xff");
        CHECK(hash(tree.path()).digest == md5(file_entry("1", "f")));
        SourceHashOptions options;
        options.empty_dirs = true;
        CHECK(refusal(tree.path(), options).kind == Kind::NameNotUtf8);
    }
}

TEST_CASE("source hash: what may not be read is an error that names it", "[unit][build]") {
    if (geteuid() != 0) {
        WARN("SKIPPED: only root can become nobody");
        return;
    }
    const Tree tree;
    open_to_all(tree);
    tree.file("d/f", "1");
    tree.file("d/secret", "1", 0600);
    SECTION("a file that is taken") {
        const AsNobody nobody;
        const auto refused = system_refusal([&] { hash(tree.path()); });
        CHECK(refused.number == EACCES);
        CHECK_THAT(refused.text, Contains(tree.path("d/secret").native()));
    }
    SECTION("not a file that is left out") {
        const AsNobody nobody;
        CHECK(hash(tree.path(), with_ignore({"secret"})).entries.size() == 1);
    }
    SECTION("a directory, also one that is left out") {
        tree.directory("closed", 0700);
        const AsNobody nobody;
        const auto refused = system_refusal([&] { hash(tree.path(), with_ignore({"closed/", "secret"})); });
        CHECK(refused.number == EACCES);
        CHECK_THAT(refused.text, Contains(tree.path("closed").native()));
        CHECK_THAT(refused.advice, Contains("readable"));
    }
    SECTION("the root") {
        REQUIRE(chmod(tree.path().c_str(), 0711) == 0);
        const AsNobody nobody;
        const auto refused = system_refusal([&] { hash(tree.path()); });
        CHECK(refused.number == EACCES);
        CHECK_THAT(refused.text, Contains(tree.path().native()));
    }
    SECTION("a root below what may not be entered does not exist") {
        REQUIRE(chmod(tree.path("d").c_str(), 0700) == 0);
        const AsNobody nobody;
        CHECK(refusal(tree.path("d/e")).kind == Kind::NoSuchDirectory);
    }
}

TEST_CASE("source hash: a deep tree needs few descriptors", "[unit][build]") {
    const Tree tree;
    std::string path;
    for (int i = 0; i < 100; ++i) {
        tree.directory(path + "e");  // for it the walk comes back to each level
        tree.file(path + "f", "1");
        path += "d/";
    }
    const FileDescriptor next(dup(STDERR_FILENO));
    const FewDescriptors few(static_cast<rlim_t>(next.get()) + 32);
    SourceHashOptions options;
    options.threads = 1;
    CHECK(hash(tree.path(), options).entries.size() == 100);
}

TEST_CASE("source hash: a path that the system does not take is an error", "[unit][build]") {
    const TempDirectory temporary;
    const std::string name(255, 'd');
    FileDescriptor at(open(temporary.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t length = 0; length <= 4096; length += name.size() + 1) {
        REQUIRE(mkdirat(at.get(), name.c_str(), 0755) == 0);
        at = FileDescriptor(openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(at.valid());
    }
    CHECK(system_refusal([&] { hash(temporary.path(), with_ignore({"d*"})); }).number == ENAMETOOLONG);
}

TEST_CASE("source hash: a stop is heard", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(hash_source(tree.path(), {}, Run{}.with_stop(stop.get_token())), Cancelled);
    CHECK_THROWS_AS(list_source(tree.path(), {}, Run{}.with_stop(stop.get_token())), Cancelled);
}

TEST_CASE("source hash: a directory that is swapped for a link meanwhile leads nowhere else", "[unit][build]") {
    const Tree tree;
    tree.file("root/d/s/f", "inside");
    tree.file("out/s/f", "outside");
    tree.symlink("link", "out");
    std::atomic<bool> done = false;
    std::thread swapper([&] {
        while (!done) {
            std::filesystem::rename(tree.path("root/d"), tree.path("kept"));
            std::filesystem::rename(tree.path("link"), tree.path("root/d"));
            std::filesystem::rename(tree.path("root/d"), tree.path("link"));
            std::filesystem::rename(tree.path("kept"), tree.path("root/d"));
        }
    });
    SourceHashOptions options;
    options.linked_dirs = false;
    options.threads = 1;
    int seen_outside = 0;
    int unexpected = 0;
    for (int i = 0; i < 300; ++i) {
        try {
            const auto entries = hash(tree.path("root"), options).entries;
            seen_outside += static_cast<int>(std::count_if(
                entries.begin(), entries.end(), [](const auto& entry) { return entry.digest != md5("inside"); }));
        } catch (const SourceHashError& error) {
            unexpected += error.kind() == Kind::NothingToHash ? 0 : 1;
        } catch (const Error& error) {
            unexpected += std::string(error.what()).find("root/d") == std::string::npos ? 1 : 0;
        }
    }
    done = true;
    swapper.join();
    CHECK(seen_outside == 0);
    CHECK(unexpected == 0);
}
