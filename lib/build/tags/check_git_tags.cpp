#include "cooper/build/git_tags.hpp"
#include "cooper/build/hash_tags.hpp"

#include "build/tags/tag_text.hpp"

namespace cooper::build {

void check_git_tags(const GitTags& tags) {
    for (const auto& repository : tags.repositories) {
        check_repository(repository);
    }
    for (const auto& tag : tags.tags) {
        check_tag(tag, "tag");
    }
    for (const auto& tag : tags.cache_from) {
        check_tag(tag, "cache tag");
    }
    if (!tags.cache_to.empty()) {
        check_tag(tags.cache_to, "cache tag");
    }
}

}  // namespace cooper::build
