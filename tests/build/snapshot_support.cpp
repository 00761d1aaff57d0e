#include "build/snapshot_support.hpp"

#include "cooper/base/tar.hpp"

#include <catch2/catch.hpp>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

namespace cooper::testing {

namespace {

bool try_overlay() {
    // Without threads, so that mounts of failed tests go with this process.
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return false;
    }
    const TempDirectory directory;
    for (const char* name : {"lower", "upper", "work", "root"}) {
        std::filesystem::create_directory(directory.path() / name);
    }
    const std::string options = "lowerdir=" + (directory.path() / "lower").string() +
                                ",upperdir=" + (directory.path() / "upper").string() +
                                ",workdir=" + (directory.path() / "work").string();
    const auto root = directory.path() / "root";
    return mount("overlay", root.c_str(), "overlay", 0, options.c_str()) == 0 && umount(root.c_str()) == 0;
}

std::string line_of(const TarEntry& entry, const std::string& content) {
    std::ostringstream line;
    line << entry.path << " " << static_cast<char>(entry.type) << " " << std::oct << entry.mode << std::dec << " "
         << entry.uid << ":" << entry.gid << " " << entry.mtime;
    if (!entry.link.empty()) {
        line << " -> " << entry.link;
    }
    if (entry.device_major != 0 || entry.device_minor != 0) {
        line << " device " << entry.device_major << "," << entry.device_minor;
    }
    for (const auto& [name, value] : entry.xattrs) {
        line << " " << name << "=" << sha256(value).shortened();
    }
    if (entry.size > 0) {
        line << " " << entry.size << " " << sha256(content).shortened();
    }
    return line.str();
}

std::vector<std::pair<std::string, std::string>> read_layer(const build::Snapshots& snapshots, const Digest& diff_id) {
    const std::string tar = layer_tar(snapshots, diff_id);
    MemorySource source{std::string_view(tar)};
    TarReader reader(source);
    std::vector<std::pair<std::string, std::string>> members;
    while (const auto entry = reader.next()) {
        members.emplace_back(entry->path, line_of(*entry, read_all(reader.content(), 1U << 30U, "content")));
    }
    return members;
}

}  // namespace

std::string layer_tar(const build::Snapshots& snapshots, const Digest& diff_id) {
    const TempDirectory spool;
    build::LayerCompression plain;
    plain.kind = Compression::None;
    const auto built = snapshots.blob(diff_id, plain, spool.path(), Run());
    REQUIRE(built.diff_id == diff_id);
    std::string tar = read_file(built.file, 1U << 30U);
    REQUIRE(sha256(tar) == diff_id);
    return tar;
}

build::Confinement chroot_confinement() {
    build::Confinement how = root_confinement(false);
    how.isolation = build::Isolation::Chroot;
    return how;
}

bool can_mount_overlays() {
    static const bool can = try_overlay();
    if (!can) {
        WARN("overlay file systems cannot be mounted here: not tested");
    }
    return can;
}

build::Confinement root_confinement(bool overlay) {
    build::Confinement how;
    how.isolation = build::Isolation::Root;
    how.overlay = overlay;
    how.owners = true;
    how.devices = true;
    return how;
}

std::vector<std::string> layer_lines(const build::Snapshots& snapshots, const Digest& diff_id) {
    std::vector<std::string> lines;
    for (auto& [path, line] : read_layer(snapshots, diff_id)) {
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string layer_paths(const build::Snapshots& snapshots, const Digest& diff_id) {
    std::string paths;
    for (const auto& [path, line] : read_layer(snapshots, diff_id)) {
        paths += (paths.empty() ? "" : " ") + path;
    }
    return paths;
}

void run_script(const std::filesystem::path& directory, const std::string& script) {
    const std::string command = "cd '" + directory.string() + "' && umask 022 && { " + script + "\n}";
    const pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-ec", command.c_str(), nullptr);
        _exit(127);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    INFO(script);
    REQUIRE(status == 0);
}

}  // namespace cooper::testing
