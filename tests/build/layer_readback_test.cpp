// Layers read back by other programs: what GNU tar and Python unpack must equal the tree.
#include "cooper/base/process.hpp"
#include "cooper/base/text.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <set>
#include <sstream>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

/// A random tree of a few hundred entries with all kinds of names.
void fill_randomly(const Tree& tree, unsigned seed) {
    std::minstd_rand random(seed);
    std::vector<std::string> directories = {""};
    std::vector<std::string> files;
    const auto name = [&] {
        static const std::string kParts[] = {
            "a", "Z", "-", " ", "\n", "\xc3\xa9", "e\xcc\x81", "\xff\xfe", "\\", "'", std::string(120, 'l'), "."};
        std::string text = "n" + std::to_string(random() % 1000);
        for (auto i = random() % 3; i > 0; --i) {
            text += kParts[random() % std::size(kParts)];
        }
        return text.substr(0, 255);
    };
    for (int i = 0; i < 200; ++i) {
        auto path = directories[random() % directories.size()];
        path += (path.empty() ? "" : "/") + name();
        if (path.size() > 3000 || std::filesystem::exists(std::filesystem::symlink_status(tree.path(path)))) {
            continue;
        }
        switch (random() % 8) {
            case 0:
            case 1:
                tree.directory(path, 0755);
                directories.push_back(path);
                break;
            case 2:
                tree.symlink(path, random() % 2 == 0 ? std::string(150, 't') : "n1");
                break;
            case 3:
                if (!files.empty()) {
                    tree.hard_link(path, files[random() % files.size()]);
                    break;
                }
                [[fallthrough]];
            default:
                tree.file(path, std::string(random() % 3000, static_cast<char>('a' + random() % 26)),
                          random() % 2 == 0 ? 0644 : 0755);
                files.push_back(path);
        }
    }
    tree.set_all_times(Tree::kTime);
}

/// Every path with what it is; hard links as sets of paths would need inodes, so those stand as counts.
std::map<std::string, std::string> described(const std::filesystem::path& root) {
    std::map<std::string, std::string> paths;
    for (const auto& item : std::filesystem::recursive_directory_iterator(root)) {
        struct stat status {};
        REQUIRE(lstat(item.path().c_str(), &status) == 0);
        std::ostringstream text;
        text << std::oct << status.st_mode << std::dec << " " << status.st_mtim.tv_sec;
        if (S_ISREG(status.st_mode)) {
            text << " links=" << status.st_nlink << " " << read_file(item.path(), 1 << 20);
        } else if (S_ISLNK(status.st_mode)) {
            text << " -> " << std::filesystem::read_symlink(item.path()).string();
        }
        paths[item.path().lexically_relative(root).string()] = text.str();
    }
    return paths;
}

}  // namespace

TEST_CASE("layer: GNU tar unpacks the tree that it was made from", "[unit][build]") {
    for (const unsigned seed : {1U, 2U, 3U}) {
        const Tree tree;
        fill_randomly(tree, seed);
        const TempDirectory spool, out;
        LayerOptions options;
        options.directory = tree.path();
        BaseTree base;
        const auto layer = build_layer(options, base, spool.path(), {});
        ProcessRequest request;
        request.arguments = {"tar", "-xpzf", layer.file.string(), "-C", out.path().string()};
        const auto result = run_process(request, {});
        CAPTURE(seed, result.error_output);
        CHECK(result.exit_status == 0);
        CHECK(result.error_output.empty());
        CHECK((described(out.path()) == described(tree.path())));
    }
}

TEST_CASE("layer: Python reads the members that we wrote", "[unit][build]") {
    static constexpr std::string_view kScript = R"(
import sys, tarfile
with tarfile.open(sys.argv[1], "r:gz", encoding="utf-8", errors="surrogateescape") as archive:
    for m in archive:
        text = [m.name, m.linkname, "%o" % m.mode, str(m.uid), str(m.gid), str(int(m.mtime)), m.type.decode()]
        data = archive.extractfile(m).read() if m.isreg() else b""
        sys.stdout.buffer.write("|".join(text).encode("utf-8", "surrogateescape").hex().encode() + b" " + data.hex().encode() + b"\n")
)";
    for (const unsigned seed : {4U, 5U}) {
        const Tree tree;
        fill_randomly(tree, seed);
        LayerOptions options;
        options.directory = tree.path();
        options.gid = 4'000'000;
        options.target = "/some/place";
        const TempDirectory spool;
        BaseTree base;
        const auto layer = build_layer(options, base, spool.path(), {});
        ProcessRequest request;
        request.arguments = {"/usr/bin/python3", "-c", std::string(kScript), layer.file.string()};
        request.output_limit = 16 << 20;
        const auto result = run_process(request, {});
        CAPTURE(result.error_output);
        REQUIRE(result.exit_status == 0);
        std::string expected;
        for (const auto& [entry, content] : members_of(unpacked(layer.file))) {
            auto name = entry.path;
            while (name.ends_with('/')) {
                name.pop_back();
            }
            std::ostringstream text;
            text << name << "|" << entry.link << "|" << std::oct << entry.mode << std::dec << "|" << entry.uid << "|"
                 << entry.gid << "|" << entry.mtime << "|" << static_cast<char>(entry.type);
            expected += to_hex(as_bytes(text.str())) + " " + to_hex(as_bytes(content)) + "\n";
        }
        CHECK((result.output == expected));
    }
}

TEST_CASE("layer: gzip itself finds the blob sound", "[unit][build]") {
    const Tree tree;
    tree.file("large", std::string(5 << 20, 'x'));
    const TempDirectory spool;
    LayerOptions options;
    options.directory = tree.path();
    for (const auto level : {GzipOptions::Level::Fast, GzipOptions::Level::Small}) {
        options.compression.gzip.level = level;
        BaseTree base;
        ProcessRequest request;
        request.arguments = {"gzip", "-t", build_layer(options, base, spool.path(), {}).file.string()};
        const auto result = run_process(request, {});
        CAPTURE(result.error_output);
        CHECK(result.exit_status == 0);
    }
}
