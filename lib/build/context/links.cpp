#include "build/context/links.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/in_root.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

namespace cooper::build {

namespace {

class LinkCheck {
public:
    explicit LinkCheck(const ContextMembers& members) : members_(members) {}

    /// By the member's own directory, as a kernel follows it. What runs in circles or ends nowhere leads nowhere.
    [[nodiscard]] bool leaves(const ContextMember& link) const {
        // What a link says counts in the tree, where its author tried it, so it must stay in the part that moves with
        // it.
        const std::string& top = members_.places[link.place].to;
        std::string here(parent_path(link.name));
        std::deque<std::string> rest = components(link.link);
        int links = 0;
        for (int steps = 0; !rest.empty() && steps < detail::kMaxWalkSteps; ++steps) {
            const std::string next = std::move(rest.front());
            rest.pop_front();
            if (next == "/") {
                return true;
            }
            if (next == "..") {
                if (here == top) {
                    return true;
                }
                here = std::string(parent_path(here));
                continue;
            }
            here = join_path(here, next);
            const auto* found = find_link(here);
            if (found == nullptr) {
                continue;
            }
            if (++links > detail::kMaxSymlinks) {
                return false;
            }
            here = std::string(parent_path(here));
            const auto target = components(found->link);
            rest.insert(rest.begin(), target.begin(), target.end());
        }
        return !rest.empty() && links <= detail::kMaxSymlinks;  // too many steps to know: refused
    }

private:
    /// "/" first for an absolute path.
    static std::deque<std::string> components(const std::string& path) {
        std::deque<std::string> parts;
        if (path.starts_with('/')) {
            parts.emplace_back("/");
        }
        for (const auto part : split(path, '/')) {
            if (!part.empty() && part != ".") {
                parts.emplace_back(part);
            }
        }
        return parts;
    }

    [[nodiscard]] const ContextMember* find_link(const std::string& name) const {
        const auto found = std::lower_bound(members_.members.begin(), members_.members.end(), name,
                                            [](const auto& one, const auto& wanted) { return one.name < wanted; });
        const bool is_link =
            found != members_.members.end() && found->name == name && found->kind == EntryKind::Symlink;
        return is_link ? &*found : nullptr;
    }

    const ContextMembers& members_;
};

}  // namespace

void check_links(const ContextMembers& members, const Run& run) {
    const LinkCheck check(members);
    std::vector<std::string> refused;
    for (const auto& member : members.members) {
        if (member.kind != EntryKind::Symlink) {
            continue;
        }
        run.check();
        if (check.leaves(member)) {
            refused.push_back(members.files->shown(members.path_of(member)) + " (to '" + oci::printable(member.link) +
                              "')");
        }
    }
    if (refused.empty()) {
        return;
    }
    throw Error(ErrorCode::InvalidInput, (refused.size() == 1 ? "a symbolic link leads" : "symbolic links lead") +
                                             std::string(" out of the build context: ") + some_of(refused))
        .advise("leave them out (--ignore, .dockerignore), or point them, relatively, at files of the context");
}

}  // namespace cooper::build
