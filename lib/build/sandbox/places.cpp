#include "build/sandbox/places.hpp"

#include "cooper/base/error.hpp"

#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace cooper::build::sandbox {

std::string printed(std::string_view text) {
    return "'" + oci::printable(text) + "'";
}

MakeDirectory stub_maker(Stubs& stubs) {
    return [&stubs](int parent, const std::string& name) { stubs.make_directory(parent, name); };
}

Located locate_target(int root, std::string_view target, bool directory, Stubs& stubs) {
    if (!target.starts_with('/')) {
        throw Error(ErrorCode::InvalidInput, printed(target) + " is no absolute path to mount on");
    }
    const auto clean = std::filesystem::path(target).lexically_normal().string();
    Located found = locate(root, clean, stub_maker(stubs));
    if (!found.parent.valid()) {
        throw Error(ErrorCode::InvalidInput, "nothing can be mounted on " + printed(target));
    }
    if (found.file.valid() && found.is_directory() != directory) {
        throw Error(ErrorCode::InvalidInput, directory
                                                 ? "a directory cannot be mounted on the file " + printed(target)
                                                 : "a file cannot be mounted on the directory " + printed(target));
    }
    return found;
}

FileDescriptor open_source(const SandboxMount& mount, struct stat& status) {
    FileDescriptor source(open(mount.source.c_str(), O_PATH | O_CLOEXEC));
    if (!source.valid()) {
        throw SystemError("cannot open " + mount.source.string(), errno);
    }
    if (!mount.below.empty()) {
        Located found = locate(source.get(), mount.below);
        if (!found.file.valid()) {
            throw Error(ErrorCode::NotFound, "there is no " + printed(mount.below) + " in what is to be mounted");
        }
        source = std::move(found.file);
    }
    if (fstat(source.get(), &status) != 0) {
        throw SystemError("cannot look at " + mount.source.string(), errno);
    }
    return source;
}

void put_script(int root, Stubs& stubs, const std::string& path, const std::string& content) {
    const auto found = locate(root, path, stub_maker(stubs));
    if (!found.parent.valid() || found.file.valid()) {
        throw Error(ErrorCode::Conflict, "the script " + printed(path) + " cannot be put where something is");
    }
    const auto file = stubs.make_file(found.parent.get(), found.name, Stubs::Goes::Always);
    write_all_at(file.get(), 0, as_bytes(content), path);
    if (fchmod(file.get(), 0755) != 0) {
        throw SystemError("cannot make " + printed(path) + " executable", errno);
    }
}

FileDescriptor make_working_directory(int root, const SandboxCommand& command, const Confinement& how) {
    const auto make = [&](int parent, const std::string& name) {
        if (mkdirat(parent, name.c_str(), 0755) != 0 || fchmodat(parent, name.c_str(), 0755, 0) != 0 ||
            (how.owners &&
             fchownat(parent, name.c_str(), command.user.uid, command.user.gid, AT_SYMLINK_NOFOLLOW) != 0)) {
            throw SystemError("cannot make " + printed(name), errno);
        }
    };
    return in_context("entering the working directory " + printed(command.working_directory),
                      [&] { return locate_directory(root, command.working_directory, make); });
}

}  // namespace cooper::build::sandbox
