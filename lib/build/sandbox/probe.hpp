// What works on this machine (private): tried, not guessed.
#pragma once

#include "cooper/build/sandbox.hpp"

#include <filesystem>
#include <functional>
#include <string>

namespace cooper::build::sandbox {

/// How one mode does here.
struct Probed {
    bool works = false;
    std::string why_not;
    std::string advice;
    bool overlay = false;
    bool user_xattr = false;
    bool owners = false;
    bool devices = false;
};

/// One line, for a pipe.
std::string to_line(const Probed& probed);
Probed from_line(std::string_view line);

/// Runs `probe` in a child process that does nothing else and takes its namespaces with it.
Probed probe_in_child(const std::function<Probed()>& probe);

/// With the rights of this process, in namespaces made for it: what a build in `isolation` (not UserRange or
/// SingleUser, which must have been entered before) can do with trees on the file system of `probed_on`. Changes the
/// namespaces of the process.
Probed probe_here(Isolation isolation, const std::filesystem::path& probed_on);

/// CAP_SYS_ADMIN is in effect: we are on a machine, or in a container that holds nothing back.
bool may_administer();

/// Why user namespaces may be closed here; empty when nothing says so.
std::string user_namespace_hint();

}  // namespace cooper::build::sandbox
