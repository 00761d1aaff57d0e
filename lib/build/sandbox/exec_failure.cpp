#include "build/sandbox/exec_failure.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/sandbox/places.hpp"
#include "build/sandbox/root_paths.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

namespace cooper::build::sandbox {

namespace {

constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// As the kernel has it (binfmt_script, binfmt_elf).
constexpr int kMaxInterpreters = 5;
constexpr std::size_t kHeadSize = 4096;

/// The first bytes of a regular file in the root; nullopt when there is none.
std::optional<std::string> head_of(int root, const std::string& path) {
    const Located found = locate(root, path);
    if (!found.file.valid() || !S_ISREG(found.status.st_mode)) {
        return std::nullopt;
    }
    const FileDescriptor file(open(name_of_descriptor(found.file.get()).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    std::string head(kHeadSize, '\0');
    const ssize_t size = file.valid() ? read(file.get(), head.data(), head.size()) : 0;
    head.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return head;
}

template <class Header, class Segment>
std::string elf_interpreter(std::string_view head) {
    Header header{};
    if (head.size() < sizeof header) {
        return {};
    }
    std::memcpy(&header, head.data(), sizeof header);
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        const std::uint64_t at = std::uint64_t{header.e_phoff} + i * sizeof(Segment);
        Segment segment{};
        if (at > head.size() || head.size() - at < sizeof segment) {
            return {};
        }
        std::memcpy(&segment, head.data() + at, sizeof segment);
        if (segment.p_type == PT_INTERP && segment.p_offset < head.size()) {
            const auto rest = head.substr(segment.p_offset, segment.p_filesz);
            return std::string(rest.substr(0, rest.find('\0')));
        }
    }
    return {};
}

/// What the kernel starts for a file with this beginning; empty: itself.
std::string interpreter_of(std::string_view head) {
    if (head.starts_with("#!")) {
        auto line = head.substr(2, head.find('\n') - 2);
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        return std::string(line.substr(0, line.find_first_of(" \t")));  // a carriage return is part of it
    }
    constexpr unsigned char kNativeOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    if (!head.starts_with(ELFMAG) || head.size() < EI_NIDENT ||
        static_cast<unsigned char>(head[EI_DATA]) != kNativeOrder) {
        return {};
    }
    return head[EI_CLASS] == ELFCLASS64 ? elf_interpreter<Elf64_Ehdr, Elf64_Phdr>(head)
                                        : elf_interpreter<Elf32_Ehdr, Elf32_Phdr>(head);
}

/// The first interpreter in the chain that is not there.
std::optional<std::string> missing_interpreter(int root, std::string path) {
    for (int i = 0; i < kMaxInterpreters; ++i) {
        const auto head = head_of(root, path);
        if (!head) {
            return i == 0 ? std::nullopt : std::optional(path);
        }
        path = interpreter_of(*head);
        if (path.empty()) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

[[noreturn]] void throw_not_found(int root, const SandboxCommand& command, const std::vector<std::string>& candidates) {
    const auto& program = command.arguments.front();
    for (const auto& candidate : candidates) {
        if (const auto interpreter = missing_interpreter(root, candidate)) {
            Error error(ErrorCode::NotFound, "cannot run " + printed(candidate) + ": it is there, but it needs " +
                                                 printed(*interpreter) + ", which is not");
            error.advise(interpreter->ends_with('\r')
                             ? "its first line ends with a carriage return: give it Unix line ends"
                             : "install the interpreter or the dynamic linker that it names in an earlier step");
            throw error;
        }
    }
    const bool in_path = program.find('/') == std::string::npos;
    Error error(ErrorCode::NotFound, "cannot run " + printed(program) + ": there is no such program in the image" +
                                         (in_path ? ", in no directory of PATH" : ""));
    error.advise(program.ends_with("/sh") ? "the image has no shell: use the JSON form, RUN [\"program\", \"argument\"]"
                                          : "install it in an earlier step, or correct its name");
    throw error;
}

}  // namespace

std::vector<std::string> program_candidates(const SandboxCommand& command) {
    if (command.arguments.empty() || command.arguments.front().empty()) {
        throw Error(ErrorCode::InvalidInput, "no program to run was given");
    }
    const auto& program = command.arguments.front();
    if (program.find('/') != std::string::npos) {
        return {program};
    }
    std::string_view path = kDefaultPath;
    for (const std::string_view variable : command.environment) {
        if (variable.starts_with("PATH=")) {
            path = variable.substr(5);
        }
    }
    std::vector<std::string> candidates;
    for (const std::string_view directory : split(path, ':')) {
        if (directory.starts_with('/')) {  // others would depend on where the command stands
            candidates.push_back(std::string(directory) + "/" + program);
        }
    }
    return candidates;
}

void throw_exec_failure(const std::filesystem::path& root, const SandboxCommand& command, const std::string& candidate,
                        int error_number) {
    const auto directory = open_directory(root.string());
    const auto what = "cannot run " + printed(candidate);
    switch (error_number) {
        case ENOENT:
        case ENOTDIR:
            throw_not_found(directory.get(), command, program_candidates(command));
        case ENOEXEC: {
            Error error(ErrorCode::InvalidInput, what + ": it is no program for this machine (exec format error)");
            error.advise(
                "a script needs a first line like #!/bin/sh; a program of another architecture needs "
                "its emulator registered with binfmt_misc (qemu-user-static)");
            throw error;
        }
        case EACCES: {
            Error error(ErrorCode::AccessDenied, what + ": it is not executable for this user");
            error.advise("chmod +x it in an earlier step, or COPY it with --chmod=755");
            throw error;
        }
        case E2BIG: {
            Error error(ErrorCode::InvalidInput, what + ": its arguments and environment are too long");
            error.advise("one argument may have 128 KiB: put the text into a file, or use a heredoc");
            throw error;
        }
        default:
            throw SystemError(what, error_number);
    }
}

void refuse_own_program(const std::filesystem::path& root, const std::vector<std::string>& candidates) {
    const auto directory = open_directory(root.string());
    for (const auto& candidate : candidates) {
        auto path = candidate;
        for (int i = 0; i < kMaxInterpreters && !path.empty(); ++i) {
            const auto clean = std::filesystem::path("/" + path).lexically_normal().string();
            if (clean.starts_with("/proc/")) {
                throw Error(ErrorCode::InvalidInput,
                            printed(candidate) + " would run a file of a process, not one of the image");
            }
            const auto head = head_of(directory.get(), path);
            path = head ? interpreter_of(*head) : "";
        }
    }
}

}  // namespace cooper::build::sandbox
