// Other programs' tar: they read what we write, and we read what they write.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/text.hpp"

#include "base/tar_cases.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace cooper;
using namespace cooper::testing;
namespace fs = std::filesystem;

namespace {

/// False when the program is not installed, and says so.
bool have(const std::string& program) {
    ProcessRequest request;
    request.arguments = {program, "--version"};
    try {
        return run_process(request, {}).exit_status == 0;
    } catch (const Error&) {
        WARN("SKIPPED: " << program << " is not installed");
        return false;
    }
}

std::string run_in(const fs::path& directory, const std::vector<std::string>& arguments) {
    ProcessRequest request;
    request.arguments = arguments;
    request.working_directory = directory.string();
    const ProcessResult result = run_process(request, {});
    INFO(arguments[0] << ": " << result.error_output);
    REQUIRE(result.exit_status == 0);
    return result.output;
}

/// A tree with what archives find hard: long names, long targets, bytes that are not UTF-8, a hard link, a fifo.
void make_tree(const fs::path& root, bool long_names) {
    fs::create_directories(root / "dir");
    write_file(root / "dir/file", std::string(1000, 'f'));
    write_file(root / "empty", "");
    fs::create_hard_link(root / "dir/file", root / "hard");
    fs::create_symlink("dir/file", root / "sym");
    REQUIRE(mkfifo((root / "fifo").c_str(), 0644) == 0);
    write_file(root / "nfd-e\xcc\x81", "x");
    if (long_names) {
        write_file(root / "raw-\xff", "x");
        write_file(root / ("long-" + std::string(150, 'n')), "long");
        fs::create_symlink(std::string(150, 't'), root / "long-target");
    }
}

/// Path without its trailing slash -> entry and content, as our reader has it.
std::map<std::string, TarCase> read_archive(const fs::path& path) {
    const FileRanged file(path);
    const auto source = file.open(0, file.size());
    TarReader reader(*source);
    std::map<std::string, TarCase> cases;
    while (auto entry = reader.next()) {
        std::string name = entry->path;
        if (name.ends_with('/')) {
            name.pop_back();
        }
        cases[name] = {*entry, read_all(reader.content(), 1 << 20, "content")};
    }
    return cases;
}

void check_tree(std::map<std::string, TarCase> cases, bool long_names) {
    REQUIRE(cases.size() == (long_names ? 11U : 8U));
    // Which of two linked names is the file is up to the order in which the tool met them.
    const std::string first = cases["t/dir/file"].entry.type == TarType::File ? "t/dir/file" : "t/hard";
    const std::string second = first == "t/hard" ? "t/dir/file" : "t/hard";
    REQUIRE(cases[first].content == std::string(1000, 'f'));
    REQUIRE(cases[second].entry.type == TarType::HardLink);
    REQUIRE(cases[second].entry.link == first);
    REQUIRE(cases["t"].entry.type == TarType::Directory);
    REQUIRE(cases["t/empty"].entry.size == 0);
    REQUIRE(cases["t/sym"].entry.link == "dir/file");
    REQUIRE(cases["t/fifo"].entry.type == TarType::Fifo);
    REQUIRE(cases["t/nfd-e\xcc\x81"].content == "x");
    REQUIRE(cases["t/empty"].entry.mtime > 1'600'000'000);
    REQUIRE(cases["t/empty"].entry.uid == geteuid());
    if (long_names) {
        REQUIRE(cases["t/raw-\xff"].content == "x");
        REQUIRE(cases["t/long-" + std::string(150, 'n')].content == "long");
        REQUIRE(cases["t/long-target"].entry.link == std::string(150, 't'));
    }
}

/// The cases of thirty_cases() that any user may unpack.
std::vector<TarCase> unpackable_cases() {
    std::vector<TarCase> cases = thirty_cases();
    std::erase_if(cases, [](const TarCase& each) {
        return each.entry.type == TarType::CharDevice || each.entry.type == TarType::Fifo ||
               each.entry.path.size() > 255 + 1 || each.entry.path == "xattrs" ||
               each.entry.path.starts_with("time-") || (each.entry.path[0] == 'p' && each.entry.path.size() > 255);
    });
    return cases;
}

void check_unpacked(const fs::path& root, const std::vector<TarCase>& cases) {
    for (const TarCase& each : cases) {
        INFO(each.entry.path);
        const fs::path path = root / each.entry.path;
        switch (each.entry.type) {
            case TarType::Directory:
                REQUIRE(fs::is_directory(path));
                break;
            case TarType::Symlink:
                REQUIRE(fs::read_symlink(path) == each.entry.link);
                break;
            case TarType::HardLink:
                REQUIRE(fs::equivalent(path, root / each.entry.link));
                break;
            default:
                REQUIRE(read_file(path, 1 << 20) == each.content);
        }
    }
}

constexpr const char* kPythonList = R"(
import sys, tarfile
for m in tarfile.open(sys.argv[1], errors='surrogateescape'):
    print(m.type.decode(), m.name.encode('utf-8', 'surrogateescape').hex(), m.linkname.encode().hex(), m.size,
          oct(m.mode), m.uid, m.gid, int(m.mtime), m.devmajor, m.devminor)
)";

std::string as_python_lists(const TarEntry& entry) {
    std::string path = entry.path;
    if (path.ends_with('/')) {
        path.pop_back();
    }
    char mode[16] = {};
    std::snprintf(mode, sizeof mode, "0o%o", entry.mode);
    std::string line(1, static_cast<char>(entry.type));
    line += " " + to_hex(as_bytes(path)) + " " + to_hex(as_bytes(entry.link)) + " " + std::to_string(entry.size) + " ";
    line += std::string(mode) + " " + std::to_string(entry.uid) + " " + std::to_string(entry.gid) + " ";
    line += std::to_string(entry.mtime) + " " + std::to_string(entry.device_major) + " ";
    return line + std::to_string(entry.device_minor) + "\n";
}

}  // namespace

TEST_CASE("tar: we read what GNU tar writes, in every format", "[unit][base]") {
    if (!have("tar")) {
        return;
    }
    const TempDirectory directory;
    make_tree(directory.path() / "t", true);
    make_tree(directory.path() / "short/t", false);
    for (const std::string format : {"gnu", "oldgnu", "pax"}) {
        run_in(directory.path(), {"tar", "--format=" + format, "-cf", format + ".tar", "t"});
        check_tree(read_archive(directory.path() / (format + ".tar")), true);
    }
    // v7 cannot hold a fifo.
    fs::remove(directory.path() / "short/t/fifo");
    run_in(directory.path() / "short", {"tar", "--format=v7", "-cf", "v7.tar", "t"});
    REQUIRE(read_archive(directory.path() / "short/v7.tar").size() == 7);
    REQUIRE(mkfifo((directory.path() / "short/t/fifo").c_str(), 0644) == 0);
    run_in(directory.path() / "short", {"tar", "--format=ustar", "-cf", "ustar.tar", "t"});
    check_tree(read_archive(directory.path() / "short/ustar.tar"), false);
}

TEST_CASE("tar: we read what bsdtar writes, in every format", "[unit][base]") {
    if (!have("bsdtar")) {
        return;
    }
    const TempDirectory directory;
    make_tree(directory.path() / "t", true);
    make_tree(directory.path() / "short/t", false);
    fs::remove(directory.path() / "t/raw-\xff");  // libarchive's pax writer complains of it
    for (const std::string format : {"gnutar", "pax"}) {
        run_in(directory.path(), {"bsdtar", "--format", format, "-cf", format + ".tar", "t"});
        auto cases = read_archive(directory.path() / (format + ".tar"));
        cases["t/raw-\xff"].content = "x";
        check_tree(std::move(cases), true);
    }
    run_in(directory.path() / "short", {"bsdtar", "--format", "ustar", "-cf", "ustar.tar", "t"});
    check_tree(read_archive(directory.path() / "short/ustar.tar"), false);
}

TEST_CASE("tar: we read what Python writes, in every format", "[unit][base]") {
    if (!have("python3")) {
        return;
    }
    const TempDirectory directory;
    make_tree(directory.path() / "t", true);
    make_tree(directory.path() / "short/t", false);
    const std::string script =
        "import sys, tarfile\n"
        "t = tarfile.open('out.tar', 'w', format=int(sys.argv[1])); t.add('t'); t.close()";
    for (const std::string format : {"1", "2"}) {  // GNU, pax
        run_in(directory.path(), {"python3", "-c", script, format});
        check_tree(read_archive(directory.path() / "out.tar"), true);
    }
    run_in(directory.path() / "short", {"python3", "-c", script, "0"});  // ustar
    check_tree(read_archive(directory.path() / "short/out.tar"), false);
}

TEST_CASE("tar: GNU tar unpacks what we write", "[unit][base]") {
    if (!have("tar")) {
        return;
    }
    const TempDirectory directory;
    write_file(directory.path() / "ours.tar", write_tar(unpackable_cases()));
    run_in(directory.path(), {"tar", "--no-same-owner", "-xf", "ours.tar"});
    check_unpacked(directory.path(), unpackable_cases());
}

TEST_CASE("tar: bsdtar unpacks what we write", "[unit][base]") {
    if (!have("bsdtar")) {
        return;
    }
    const TempDirectory directory;
    std::vector<TarCase> cases = unpackable_cases();
    // libarchive wants pax names to be UTF-8 and warns of others; those in plain headers it takes.
    std::erase_if(cases, [](const TarCase& each) { return each.entry.path.starts_with("raw-\xfe"); });
    write_file(directory.path() / "ours.tar", write_tar(cases));
    run_in(directory.path(), {"bsdtar", "--no-same-owner", "-xf", "ours.tar"});
    check_unpacked(directory.path(), cases);
}

TEST_CASE("tar: Python sees the same fields as we wrote", "[unit][base]") {
    if (!have("python3")) {
        return;
    }
    const TempDirectory directory;
    write_file(directory.path() / "ours.tar", write_tar(thirty_cases()));
    std::string expected;
    for (const TarCase& each : thirty_cases()) {
        expected += as_python_lists(each.entry);
    }
    REQUIRE(run_in(directory.path(), {"python3", "-c", kPythonList, "ours.tar"}) == expected);
}
