// Entering a user namespace (private): user_namespaces(7).
#pragma once

#include "cooper/build/sandbox.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::sandbox {

/// `count` ids from `inside` on are those from `outside` on.
struct IdRange {
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t count = 0;
};

/// The ids that `name` or `id` was given in a file like /etc/subuid (subuid(5)), one after the other from 1 on, after
/// `id` itself, which is 0.
std::vector<IdRange> ranges_of(std::string_view subordinates, std::string_view name, std::uint64_t id);

/// Gives process `child`, which is in a new user namespace, its ids: all for root, the ranges of /etc/subuid for
/// others, one in SingleUser. Throws Error that says what is missing.
void map_ids(pid_t child, Isolation isolation);

/// Root in the namespace, once it has ids. Throws SystemError.
void become_root(Isolation isolation);

}  // namespace cooper::build::sandbox
