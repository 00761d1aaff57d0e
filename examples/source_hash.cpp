// The Dirhash compatible hash of a directory, as the tags of OpenHands' runtime images have it, and the files in it.
//
//   example_source_hash DIRECTORY [IGNORE...]
#include "cooper/build/source_hash.hpp"

#include "cooper/build/hash_tags.hpp"

#include <cstdio>

namespace {

void print_hash(const char* directory, std::vector<std::string> ignore) {
    cooper::build::SourceHashOptions options;
    options.ignore = std::move(ignore);
    options.resolve_root = true;  // a link to a directory is as good as the directory
    const auto hash = cooper::build::hash_source(directory, options, cooper::Run{});
    for (const auto& file : hash.entries) {
        std::printf("%s  %s%s\n", file.digest.c_str(), file.path.c_str(), file.is_link ? " (link)" : "");
    }
    std::printf("%s  %zu files, in tags %s\n", hash.digest.c_str(), hash.entries.size(),
                cooper::build::truncate_hash(hash.digest).c_str());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s DIRECTORY [IGNORE...]\n", argv[0]);
        return 2;
    }
    try {
        std::vector<std::string> ignore{".*/", "__pycache__/", "*.pyc"};
        ignore.insert(ignore.end(), argv + 2, argv + argc);
        print_hash(argv[1], std::move(ignore));
    } catch (const cooper::build::SourceHashError& error) {
        // Where the original raises ValueError, one of its users goes on with "unknown" as the hash.
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return error.is_value_error() ? 3 : 1;
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}
