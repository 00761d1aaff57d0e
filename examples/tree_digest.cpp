// One digest for what a directory holds: the same on every machine, whatever umask, times or file system order.
// The second run of an unchanged tree opens none of its files.
//
//     tree_digest DIRECTORY [SOURCE...]     honours DIRECTORY/.dockerignore
#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/build/tree.hpp"

#include <cstdio>
#include <string>

namespace {

/// Every field with its length in front, so that no two trees run into each other.
void add_field(cooper::Hasher& hasher, std::string_view field) {
    hasher.update(std::to_string(field.size()) + ":");
    hasher.update(field);
}

cooper::Digest digest_of(const cooper::build::Tree& tree) {
    cooper::Hasher hasher;
    for (const auto& entry : tree.entries) {
        add_field(hasher, entry.path);
        add_field(hasher, std::to_string(static_cast<int>(entry.kind)) + " " + std::to_string(entry.mode));
        add_field(hasher, entry.digest ? entry.digest->text() : entry.link);
    }
    return hasher.finish();
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fputs("usage: tree_digest DIRECTORY [SOURCE...]\n", stderr);
        return 2;
    }
    try {
        cooper::build::TreeOptions options;
        options.root = arguments[1];
        options.sources.assign(arguments + 2, arguments + count);
        options.cache_directory = cooper::build::default_tree_cache(cooper::Environment::process());
        const auto tree = cooper::build::read_tree(options, {});
        std::printf("%s\n", digest_of(tree).text().c_str());
        std::fprintf(stderr, "%llu files, %llu of them read\n", static_cast<unsigned long long>(tree.files),
                     static_cast<unsigned long long>(tree.files_read));
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "tree_digest: %s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}
