// What a sandbox puts into a root in every mode (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/sandbox/root_paths.hpp"
#include "build/sandbox/stubs.hpp"

#include <string>
#include <string_view>

namespace cooper::build::sandbox {

/// `text` in quotes, fit for a message.
std::string printed(std::string_view text);

/// Missing directories become stubs.
MakeDirectory stub_maker(Stubs& stubs);

/// Where `target` of a mount leads; its parents are made. Throws Error{InvalidInput} for the root itself, and when a
/// directory is to cover a file or the other way round.
Located locate_target(int root, std::string_view target, bool directory, Stubs& stubs);

/// What a Bind mounts: its source, or what `below` means in it. Throws Error{NotFound}.
FileDescriptor open_source(const SandboxMount& mount, struct stat& status);

/// A file with `content` that everybody may run, for as long as the stubs last.
void put_script(int root, Stubs& stubs, const std::string& path, const std::string& content);

/// The working directory, made when it is missing: that stays.
FileDescriptor make_working_directory(int root, const SandboxCommand& command, const Confinement& how);

/// Devices that commands have.
struct DeviceNode {
    const char* name;
    unsigned major;
    unsigned minor;
};
inline constexpr DeviceNode kDeviceNodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                              {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

/// For SingleUser: apt must not try to become its own user, which can only be pretended.
inline constexpr const char* kAptConfiguration = "/dev/.apt.conf";
inline constexpr const char* kAptConfigurationText = "APT::Sandbox::User \"root\";\n";

}  // namespace cooper::build::sandbox
