// Names an image by what goes into it: three tags, and the list of what was counted in a file.
//
//   hash_tags ROOT VERSION BASE@DIGEST RECORD.json [LOCK_FILE...]
#include "cooper/build/hash_tags.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/tree.hpp"

#include <cstdio>

int main(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "usage: %s ROOT VERSION BASE@DIGEST RECORD.json [LOCK_FILE...]\n", argv[0]);
        return 2;
    }
    try {
        cooper::build::TagInputs inputs;
        inputs.root = argv[1];
        inputs.version = argv[2];
        inputs.base = argv[3];
        inputs.lock_files.assign(argv + 5, argv + argc);
        inputs.build_args = {{"PYTHON_VERSION", "3.12"}};
        inputs.cache_directory = cooper::build::default_tree_cache(cooper::Environment::process());

        const auto tags = cooper::build::cooper_tags(inputs, {});
        std::printf("source     %s\nlock       %s\nversioned  %s\n", tags.source.c_str(), tags.lock.c_str(),
                    tags.versioned.c_str());
        cooper::write_file(argv[4], cooper::build::to_json(tags.record));
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}
