#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/apply/layer_applier.hpp"
#include "build/apply/removal.hpp"
#include "build/hostile_layers.hpp"
#include "build/tree_listing.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <set>

using namespace cooper;
using namespace cooper::testing;

namespace {

constexpr uid_t kNobody = 65534;

/// A directory of the present user's with a canary in it; what a case leaves goes, whatever its modes.
class Scene {
public:
    Scene() {
        std::string name = "/var/tmp/cooper-hostile.XXXXXX";
        if (mkdtemp(name.data()) == nullptr) {
            throw SystemError("cannot create a directory", errno);
        }
        path_ = name;
        const auto canary = path_ / "canary";
        std::filesystem::create_directories(canary / "dir");
        for (const auto& file : {canary / "passwd", canary / "dir/file"}) {
            std::ofstream(file) << "root:x:0:0\n";
            chmod(file.c_str(), 0600);
            setxattr(file.c_str(), "user.canary", "sings", 5, 0);  // where the file system has them
        }
        std::filesystem::create_symlink("passwd", canary / "link");
        chmod((canary / "dir").c_str(), 0700);
        chmod(canary.c_str(), 0700);
        // What is written, made or linked now gets another time, whatever the clock's tick.
        for (const char* each : {"passwd", "dir/file", "link", "dir", ""}) {
            set_long_ago(canary / each);
        }
        before_ = tree_text(canary, true);
    }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;
    ~Scene() {
        const FileDescriptor above(open("/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        build::remove_tree(above.get(), path_.filename(), path_);
    }

    [[nodiscard]] Target target() const { return {path_ / "canary", "../canary"}; }
    [[nodiscard]] std::filesystem::path root() const { return path_ / "root"; }
    void make_root() const {
        mkdir(root().c_str(), 0700);
        set_long_ago(root());
    }
    void remove_root() const {
        const FileDescriptor scene(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        build::remove_tree(scene.get(), "root", "root");
    }
    /// What has changed outside of the root; empty: nothing.
    [[nodiscard]] std::string damage() const {
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            names.insert(entry.path().filename());
        }
        if (names != std::set<std::string>{"canary", "root"}) {
            return "something new beside the root";
        }
        const std::string now = tree_text(path_ / "canary", true);
        return now == before_ ? "" : "the canary was:\n" + before_ + "and is:\n" + now;
    }

private:
    static void set_long_ago(const std::filesystem::path& path) {
        const timespec long_ago[2] = {{1'000'000'000, 1}, {1'000'000'000, 1}};
        utimensat(AT_FDCWD, path.c_str(), long_ago, AT_SYMLINK_NOFOLLOW);
    }

    std::filesystem::path path_;
    std::string before_;
};

/// What applying the layers to the scene's root gives: nullopt when they are refused.
std::optional<std::string> apply(const Scene& scene, const std::vector<std::string>& layers, bool owners,
                                 build::Directories::Kernel kernel, std::string& refusal) {
    build::ApplyOptions options;
    options.owners = owners;
    options.max_layer_bytes = 1 << 20;
    try {
        build::LayerApplier applier(FileDescriptor(open(scene.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
                                    options, kernel);
        for (const std::string& tar : layers) {
            MemorySource source{std::string_view(tar)};
            applier.apply(source, Run());
        }
        applier.finish(Run());
    } catch (const Error& error) {
        refusal = error.what();
        return std::nullopt;
    }
    return tree_text(scene.root());
}

/// What went wrong with one case, or nothing.
std::string failure_of(const HostileLayers& each, const Scene& scene, bool owners) {
    const auto layers = each.make(scene.target());
    std::vector<std::optional<std::string>> results;
    for (const auto kernel : {build::Directories::Kernel::Newest, build::Directories::Kernel::WithoutOpenat2}) {
        std::string refusal;
        scene.make_root();
        results.push_back(apply(scene, layers, owners, kernel, refusal));
        const std::string damage = scene.damage();
        scene.remove_root();
        if (!damage.empty()) {
            return damage;
        }
        const bool wrong = each.outcome == (results.back() ? Outcome::Refused : Outcome::Harmless);
        if (wrong) {
            return results.back() ? "it was applied:\n" + *results.back() : "it was refused: " + refusal;
        }
    }
    return results[0] == results[1] ? "" : "with openat2:\n" + *results[0] + "without:\n" + *results[1];
}

/// All cases one after the other, on one canary. Plain code, since it runs in a child.
std::string failures(bool owners) {
    const Scene scene;
    std::filesystem::current_path(scene.target().canary);
    std::string all;
    for (const auto& each : hostile_layers()) {
        const std::string failure = failure_of(each, scene, owners);
        if (!failure.empty()) {
            all += each.name + ": " + failure + "\n";
        }
    }
    return all;
}

bool become(uid_t user) {
    return setgroups(0, nullptr) == 0 && setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0;
}

/// failures() of a child, as `user` when there is one. A child, because some layers are after the directory and the
/// descriptors that a process has: were they to succeed, then with nobody's.
std::string failures_of_child(bool owners, std::optional<uid_t> user = std::nullopt) {
    int ends[2] = {};
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::string said = "cannot become another user";
        for (const int standard : {0, 1, 2}) {
            dup2(ends[0], standard);
        }
        try {
            said = user && !become(*user) ? said : failures(owners);
        } catch (const std::exception& error) {
            said = error.what();
        }
        said += '.';
        _exit(write(ends[1], said.data(), said.size()) < 0 ? 1 : 0);
    }
    close(ends[1]);
    std::string said;
    char buffer[4096];
    for (ssize_t count = 0; (count = read(ends[0], buffer, sizeof buffer)) > 0;) {
        said.append(buffer, static_cast<std::size_t>(count));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return said.empty() ? "the child ended with status " + std::to_string(status) : said.substr(0, said.size() - 1);
}

}  // namespace

TEST_CASE("hostile layers: there are many, each with a name of its own", "[unit][build]") {
    std::set<std::string> names;
    for (const auto& each : hostile_layers()) {
        INFO(each.name);
        CHECK(names.insert(each.name).second);
    }
    CHECK(names.size() >= 120);
}

TEST_CASE("hostile layers: nothing outside of the root changes", "[unit][build]") {
    CHECK(failures_of_child(false) == "");
}

TEST_CASE("hostile layers: nothing outside changes when root gives owners away", "[unit][build]") {
    if (geteuid() != 0) {
        std::cout << "SKIPPED: owners need root\n";
        return;
    }
    CHECK(failures_of_child(true) == "");
}

TEST_CASE("hostile layers: nothing outside changes when an ordinary user applies them", "[unit][build]") {
    if (geteuid() != 0) {
        std::cout << "SKIPPED: the tests do not run as root, so the other case was this one\n";
        return;
    }
    CHECK(failures_of_child(false, kNobody) == "");
}

// Not a test: COOPER_DUMP=DIR test_apply "[dump]" writes the corpus, the layers of a case joined as fuzz_apply cuts
// them.
TEST_CASE("hostile layers: written to files for other tools", "[.][dump]") {
    const char* directory = std::getenv("COOPER_DUMP");
    REQUIRE(directory != nullptr);
    for (const auto& each : hostile_layers()) {
        std::string name = each.name;
        for (char& c : name) {
            c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
        }
        std::ofstream out(std::filesystem::path(directory) / (name + ".tar"), std::ios::binary);
        const auto layers = each.make({"/canary", "../canary"});
        for (std::size_t i = 0; i < layers.size(); ++i) {
            out << (i > 0 ? kNextLayer : "") << layers[i];
        }
    }
}
