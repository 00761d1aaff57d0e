// Says why two builds have different tags, from the lists of what went into them (example hash_tags writes them).
//
//   explain_tags BEFORE.json AFTER.json
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/tag_record.hpp"

#include <cstdio>
#include <string>

namespace {

cooper::build::TagRecord read_record(const char* file) {
    constexpr std::size_t kLimit = 64U << 20;
    return cooper::build::parse_tag_record(cooper::read_file(file, kLimit), file);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s BEFORE.json AFTER.json\n", argv[0]);
        return 2;
    }
    try {
        for (const auto& change : cooper::build::compare(read_record(argv[1]), read_record(argv[2]))) {
            std::string levels;
            for (const auto level : change.touches) {
                levels += " " + std::string(cooper::build::to_string(level));
            }
            std::printf("%s  ->%s\n", change.text().c_str(), levels.c_str());
        }
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}
