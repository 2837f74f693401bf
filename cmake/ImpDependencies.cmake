# Libraries, all of them Debian packages (scripts/setup installs what is missing).
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)

find_package(PkgConfig REQUIRED)
pkg_check_modules(imp_zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(imp_re2 REQUIRED IMPORTED_TARGET re2)

# xxHash is used header-only: XXH3 then inlines and a runtime needs no further library.
find_path(IMP_XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
add_library(imp_xxhash INTERFACE)
target_include_directories(imp_xxhash SYSTEM INTERFACE $<BUILD_INTERFACE:${IMP_XXHASH_INCLUDE_DIR}>)
target_compile_definitions(imp_xxhash INTERFACE XXH_INLINE_ALL)
