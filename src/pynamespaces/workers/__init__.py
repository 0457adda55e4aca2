"""
Workers in namespaces, with the standard library's own interfaces.

Threads for `concurrent.futures` and asyncio, processes for `multiprocessing`.
"""
