// Which files does a .dockerignore leave out, and which does a list of dirhash patterns?
//   find . -type f | sed 's|^\./||' | example_ignore .dockerignore '__pycache__/' '*.pyc'
#include "cooper/build/ignore.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
    if (argc < 2) {
        std::cerr << "usage: example_ignore DOCKERIGNORE [PATTERN]... < PATHS\n";
        return 2;
    }
    constexpr std::size_t kMaxSize = 1 << 20;
    const auto dockerignore = cooper::build::Dockerignore::parse(cooper::read_file(argv[1], kMaxSize), argv[1]);
    const cooper::build::WildmatchList dirhash({"*"}, std::vector<std::string>(argv + 2, argv + argc));
    for (std::string path; std::getline(std::cin, path);) {
        std::cout << (dockerignore.excludes(path) ? "docker: out  " : "docker: in   ")
                  << (dirhash.includes(path) ? "dirhash: in   " : "dirhash: out  ") << path << "\n";
    }
    return 0;
} catch (const cooper::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
}
