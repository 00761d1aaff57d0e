#include "build/copy_support.hpp"

#include "cooper/base/text.hpp"

#include <sstream>

namespace cooper::testing {

using build::CopyInstruction;

std::vector<std::string> PlainRoot::listing() const {
    std::map<std::string, std::string> by_name;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
        const std::string name = entry.path().lexically_relative(path_).string();
        struct stat status {};
        REQUIRE(lstat(entry.path().c_str(), &status) == 0);
        std::ostringstream line;
        line << (S_ISDIR(status.st_mode)    ? "d"
                 : S_ISREG(status.st_mode)  ? "f"
                 : S_ISLNK(status.st_mode)  ? "l"
                 : S_ISFIFO(status.st_mode) ? "p"
                                            : "?");
        if (!S_ISLNK(status.st_mode)) {
            line << " " << std::oct << (status.st_mode & 07777) << std::dec;
        }
        const auto [uid, gid] = owner("/" + name);
        if (uid != 0 || gid != 0) {
            line << " " << uid << ":" << gid;
        }
        line << " " << name;
        if (S_ISREG(status.st_mode)) {
            line << " " << read_file(entry.path(), 1 << 20);
        } else if (S_ISLNK(status.st_mode)) {
            line << " -> " << std::filesystem::read_symlink(entry.path()).string();
        }
        by_name[name] = line.str();
    }
    std::vector<std::string> lines;
    for (auto& [name, line] : by_name) {
        lines.push_back(std::move(line));
    }
    return lines;
}

CopyInstruction instruction(const std::string& words, bool add) {
    CopyInstruction copy;
    copy.add = add;
    for (const auto part : split(words, ' ')) {
        const std::string word(part);
        const auto value = [&] { return word.substr(word.find('=') + 1); };
        if (word.starts_with("--chown=")) {
            copy.chown = value();
        } else if (word.starts_with("--chmod=")) {
            copy.chmod = value();
        } else if (word.starts_with("--exclude=")) {
            copy.exclude.push_back(value());
        } else if (word.starts_with("--unpack")) {
            copy.unpack = word != "--unpack=false";
        } else if (word == "--parents") {
            copy.parents = true;
        } else if (word == "--link") {
            copy.link = true;
        } else {
            copy.sources.push_back(word);
        }
    }
    copy.destination = copy.sources.back();
    copy.sources.pop_back();
    return copy;
}

build::CopyInputs context_of(const Tree& tree, const build::Dockerignore* ignore) {
    build::CopyInputs inputs;
    inputs.root = tree.path();
    inputs.ignore = ignore;
    inputs.epoch = kCopyEpoch;
    return inputs;
}

void copy_to(PlainRoot& to, const CopyInstruction& copy, const build::CopyInputs& inputs,
             const build::CopyTarget& target) {
    build::CopySelection::choose(copy, inputs, Run()).write(to, target, Run());
}

}  // namespace cooper::testing
