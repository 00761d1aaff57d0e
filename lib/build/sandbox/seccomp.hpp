// Programs for seccomp(2) in classic BPF (private): what a command may not call, and what is only pretended.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace cooper::build::sandbox {

/// For commands with real owners: calls that change namespaces, mounts or the kernel answer EPERM. Follows Docker's
/// default profile, turned round: what is not named is allowed.
std::vector<sock_filter> denying_filter();

/// For user namespaces with one id: changes of owners, of the process's own ids and device nodes succeed without doing
/// anything.
std::vector<sock_filter> pretending_filter();

}  // namespace cooper::build::sandbox
